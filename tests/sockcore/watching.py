"""Watching in tests: background servers of every kind, what they tell, and clients for them.

Belongs here: what several modules about watched servers need. Does not know what a test claims.
"""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import sockcore
from sockcore import BackgroundServer, Event, EventSink, Limits
from tests.sockcore.serving import DEADLINE_S

E = TypeVar("E")

LOOPBACK = ("127.0.0.1", 0)

#: Seconds for a stop that must not need them: a test that waits them out fails by its own limit.
NEVER_S = 3600.0

STREAMS: dict[str, type[sockcore.TCPServer]] = {
    "tcp-single": sockcore.TCPServer,
    "tcp-threading": sockcore.ThreadingTCPServer,
    "tcp-pool": sockcore.PoolTCPServer,
    "tcp-event": sockcore.EventTCPServer,
    "unix-single": sockcore.UnixStreamServer,
    "unix-threading": sockcore.ThreadingUnixStreamServer,
    "unix-pool": sockcore.PoolUnixStreamServer,
    "unix-event": sockcore.EventUnixStreamServer,
}
DATAGRAMS: dict[str, type[sockcore.UDPServer]] = {
    "udp-single": sockcore.UDPServer,
    "udp-threading": sockcore.ThreadingUDPServer,
    "udp-pool": sockcore.PoolUDPServer,
    "unix-datagram-single": sockcore.UnixDatagramServer,
    "unix-datagram-threading": sockcore.ThreadingUnixDatagramServer,
    "unix-datagram-pool": sockcore.PoolUnixDatagramServer,
}
KINDS: dict[str, type[sockcore.TCPServer]] = {**STREAMS, **DATAGRAMS}

Factory = Callable[[], sockcore.TCPServer]
Handler = Callable[[Any, Any, Any], Any]

_numbers = itertools.count()


class Heard:
    """A sink that keeps what it hears."""

    def __init__(self) -> None:
        self._told = threading.Condition()  # guards the events
        self._events: list[Event] = []

    def __call__(self, event: Event) -> None:
        with self._told:
            self._events.append(event)
            self._told.notify_all()

    @property
    def events(self) -> list[Event]:
        with self._told:
            return list(self._events)

    @property
    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events]

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    def wait_for(self, kind: type[E], count: int = 1) -> list[E]:
        """The events of this kind once there are `count`; AssertionError at the deadline."""
        with self._told:
            enough = self._told.wait_for(lambda: len(self._of_locked(kind)) >= count, DEADLINE_S)
            found = self._of_locked(kind)
        assert enough, f"{len(found)} of {count} {kind.__name__}; heard {self.names}"
        return found

    def _of_locked(self, kind: type[E]) -> list[E]:
        return [event for event in self._events if isinstance(event, kind)]


def factory(kind: str, handler: Handler, folder: Path, **attributes: object) -> Factory:
    """Makes servers of this kind at a place of their own, with these class attributes."""
    chosen = type(f"Tested{KINDS[kind].__name__}", (KINDS[kind],), attributes)
    number = next(_numbers)

    def make() -> Any:
        if not kind.startswith("unix"):
            return chosen(LOOPBACK, handler)
        path = folder / f"server-{number}"
        path.unlink(missing_ok=True)  # of the run before
        return chosen(str(path), handler)

    return make


@dataclass(frozen=True, slots=True)
class Watched:
    """A server that runs, and what it tells."""

    server: BackgroundServer
    heard: Heard


@contextlib.contextmanager
def watched(
    make: Factory, *, limits: Limits | None = None, sink: EventSink | None = None
) -> Iterator[Watched]:
    """A started background server, stopped when the block is left."""
    heard = Heard()
    server = BackgroundServer(make, name="hall", sink=sink or heard, limits=limits)
    server.start()
    try:
        yield Watched(server, heard)
    finally:
        server.stop()


def caller(server: BackgroundServer) -> socket.socket:
    """A client connected to a stream server; every wait on it ends at the deadline."""
    address = server.address
    client = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
    client.settimeout(DEADLINE_S)
    try:
        client.connect(address)
    except BaseException:
        client.close()
        raise
    return client


def sender(server: BackgroundServer, folder: Path) -> socket.socket:
    """A bound datagram client, connected to the server."""
    address = server.address
    internet = isinstance(address, tuple)
    client = socket.socket(socket.AF_INET if internet else socket.AF_UNIX, socket.SOCK_DGRAM)
    client.settimeout(DEADLINE_S)
    try:
        client.bind(LOOPBACK if internet else str(folder / f"client-{next(_numbers)}"))
        client.connect(address)
    except BaseException:
        client.close()
        raise
    return client


def question(server: BackgroundServer, kind: str, folder: Path, data: bytes) -> bytes:
    """Ask an echoing server of any kind once; returns its answer."""
    if kind in DATAGRAMS:
        with sender(server, folder) as client:
            client.send(data)
            return client.recv(65536)
    with caller(server) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65536), b""))


class Echo(sockcore.BaseRequestHandler):
    """Sends back what comes: a stream's bytes until their end, or the datagram."""

    def handle(self) -> None:
        if isinstance(self.request, tuple):
            data, answers = self.request
            answers.sendto(data, self.client_address)
            return
        while data := self.request.recv(65536):
            self.request.sendall(data)


class Gate:
    """Where handlers wait until they are let go."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()

    def pass_through(self) -> None:
        self.entered.release()
        assert self.open.wait(3 * DEADLINE_S), "the test forgot its handlers"

    def wait_entered(self, count: int = 1) -> None:
        for _ in range(count):
            assert self.entered.acquire(timeout=DEADLINE_S), "no handler came"

    def handler(self) -> type[sockcore.BaseRequestHandler]:
        gate = self

        class Stuck(sockcore.BaseRequestHandler):
            speaks_first = True

            def handle(self) -> None:
                gate.pass_through()

        return Stuck


@contextlib.contextmanager
def gate() -> Iterator[Gate]:
    """A gate that lets everybody go when the block is left."""
    closed = Gate()
    try:
        yield closed
    finally:
        closed.open.set()
