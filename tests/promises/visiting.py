"""Visitors of the panel that are no browsers: they speak bytes, slowly, or do not listen.

Knows sockets and what a request looks like. Claims nothing.
"""

from __future__ import annotations

import json
import selectors
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from app.panel_door import PanelLimits
from tests.conftest import LaunchApp
from tests.running import TOKEN, RunningApp
from tests.waiting import DEADLINE_S

#: The address of those who behave, and of those who do not.
GOOD, BAD = "127.0.0.2", "127.0.0.1"


def hasty(launch: LaunchApp, **limits: float) -> RunningApp:
    """A running app with these limits of the panel; with none, the app as it is."""
    app = launch()
    if limits:
        PanelLimits(**limits)  # type: ignore[arg-type]
        app.program = ("tests.promises.hasty_panel", json.dumps(limits))
    return app.start()


def header(path: str, method: str = "GET", **more: object) -> bytes:
    """All of a request's header; `content_length=3` is a line of it."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Authorization: Bearer {TOKEN}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return "\r\n".join([*lines, "", ""]).encode()


@contextmanager
def visitor(
    app: RunningApp, source: str = GOOD, room: int | None = None
) -> Iterator[socket.socket]:
    """A connection from `source`; `room`: bytes of its receive buffer."""
    with socket.socket() as client:
        client.settimeout(DEADLINE_S)
        if room is not None:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        client.bind((source, 0))
        client.connect(("127.0.0.1", app.port))
        yield client


def ask_at(app: RunningApp, path: str, source: str = GOOD) -> tuple[int, float]:
    """A good request over a connection of its own. Returns: status, and seconds it took."""
    began = time.monotonic()
    with visitor(app, source) as client:
        client.sendall(header(path, Connection="close"))
        answer = to_the_end(client)
    return status_of(answer), time.monotonic() - began


def to_the_end(client: socket.socket) -> bytes:
    """All it is sent until it is cut, in whichever way."""
    got = bytearray()
    try:
        while part := client.recv(65536):
            got += part
    except ConnectionResetError:
        pass
    return bytes(got)


def one_answer(client: socket.socket) -> bytes:
    """An answer that says how long it is."""
    with client.makefile("rb") as lines:
        head = b"".join(iter(lines.readline, b"\r\n"))
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        return head + b"\r\n" + lines.read(length)


def status_of(answer: bytes) -> int:
    """0 where there was none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


@dataclass(frozen=True, slots=True)
class Ended:
    """How the panel ended a connection."""

    after_s: float
    status: int


class Crowd:
    """Connections that say one thing and wait for their end. Use as a context manager."""

    def __init__(self) -> None:
        self.ended: list[Ended] = []
        self._selector = selectors.DefaultSelector()
        self._lock = threading.Lock()  # guards the two above
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read, name="crowd")

    def __enter__(self) -> Crowd:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopped.set()
        self._thread.join(DEADLINE_S)
        with self._lock:
            for key in tuple(self._selector.get_map().values()):
                key.fileobj.close()  # type: ignore[union-attr]
            self._selector.close()

    def add(self, app: RunningApp, count: int, say: bytes, source: str = BAD) -> None:
        for _ in range(count):
            client = socket.socket()
            client.bind((source, 0))
            client.settimeout(DEADLINE_S)
            began = time.monotonic()
            client.connect(("127.0.0.1", app.port))
            client.setblocking(False)
            client.send(say)
            with self._lock:
                self._selector.register(client, selectors.EVENT_READ, (began, bytearray()))

    def statuses(self) -> list[int]:
        """Of those that were ended."""
        with self._lock:
            return [each.status for each in self.ended]

    def open(self) -> int:
        """How many were not ended."""
        with self._lock:
            return len(self._selector.get_map())

    def oldest_s(self) -> float:
        """Seconds since the oldest of those that are open came; 0 with none."""
        with self._lock:
            began = [key.data[0] for key in self._selector.get_map().values()]
        return time.monotonic() - min(began, default=time.monotonic())

    def _read(self) -> None:
        while not self._stopped.wait(0.01):
            with self._lock:
                for key, _ in self._selector.select(0):
                    self._hear(key.fileobj, *key.data)

    def _hear(self, client: Any, began: float, got: bytearray) -> None:
        try:
            part = client.recv(65536)
        except ConnectionResetError:
            part = b""
        got += part
        if not part:
            self._selector.unregister(client)
            client.close()
            self.ended.append(Ended(time.monotonic() - began, status_of(bytes(got))))


def drip(
    client: socket.socket, piece: bytes, every_s: float, going_on: Callable[[], bool]
) -> None:
    """Send a piece again and again, until that is over or it was cut."""
    pause = threading.Event()
    try:
        while going_on():
            client.sendall(piece)
            pause.wait(every_s)
    except (BrokenPipeError, ConnectionResetError):
        pass
