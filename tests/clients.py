"""Real clients of the four transports, and how their peers are written by the panel."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.app.soon import SOON_S
from tests.running import Json
from tests.waiting import DEADLINE_S

STREAMS = ("tcp", "unix")
DATAGRAMS = ("udp", "unix-datagram")
TRANSPORTS = (*STREAMS, *DATAGRAMS)

#: What the buffers on the way take in without anybody reading: no second thread is needed.
_FITS_BYTES = 16 * 1024

_numbers = count(1)


class Client:
    """One socket connected to a server, as `server_address` of its JSON tells.

    `folder`: where a client of a Unix datagram server binds the name it is answered at.
    """

    def __init__(self, server: Json, folder: Path | None = None) -> None:
        self.transport: str = server["transport"]
        address = server["server_address"]
        inet = self.transport in ("tcp", "udp")
        host = str(address[0])
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        kind = socket.SOCK_STREAM if self.transport in STREAMS else socket.SOCK_DGRAM
        self.sock = socket.socket(family if inet else socket.AF_UNIX, kind)
        self.sock.settimeout(DEADLINE_S)
        try:
            if self.transport == "unix-datagram":
                assert folder is not None
                self.sock.bind(str(folder / f"client-{next(_numbers)}"))
            self.sock.connect((host, address[1]) if inet else address)
        except BaseException:
            self.sock.close()
            raise
        self.peer = self._peer()

    def _peer(self) -> str:
        """As the panel must write it."""
        if self.transport == "unix":
            return f"pid {os.getpid()}"
        name = self.sock.getsockname()
        if self.transport == "unix-datagram":
            return str(name)
        return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"

    def send(self, data: bytes) -> None:
        """All of it; one datagram."""
        self.sock.sendall(data)

    def receive(self, size: int) -> bytes:
        """Exactly `size` bytes of a stream, or one datagram."""
        if self.transport in DATAGRAMS:
            return self.sock.recv(262_144)
        parts = b""
        while len(parts) < size and (part := self.sock.recv(min(65_536, size - len(parts)))):
            parts += part
        return parts

    def ask(self, data: bytes) -> bytes:
        """Send it and read as much again: what an echo gives back, however long it is."""
        if len(data) <= _FITS_BYTES:
            self.send(data)
            return self.receive(len(data))
        sender = threading.Thread(target=self.send, args=(data,))
        sender.start()
        answer = self.receive(len(data))
        sender.join()
        return answer

    def say(self, data: bytes) -> None:
        """Send all of it to a stream server and stay until the end, whoever makes it and how."""
        try:
            self.send(data)
            self.end()
            while self.sock.recv(65_536):
                pass
        except TimeoutError:
            raise
        except OSError:
            pass  # it was ended before all was sent, or not read to its end

    def sees_the_end(self, timeout_s: float) -> bool:
        """Whether the server ended this stream within `timeout_s` seconds."""
        self.sock.settimeout(timeout_s)
        try:
            return self.sock.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def end(self) -> None:
        """Say that nothing more is sent."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self.close()


@contextmanager
def clients(
    server: Json, number: int, folder: Path | None = None, *, hello: bool = False
) -> Iterator[list[Client]]:
    """So many of them, connected; closed in the end.

    `hello`: each is echoed its "hello N" before the next one comes, so that they are taken in
    this order; several that come at once are taken by several threads.
    """
    connected: list[Client] = []
    try:
        for n in range(number):
            connected.append(Client(server, folder))
            if hello:
                assert connected[-1].ask(b"hello %d\n" % n) == b"hello %d\n" % n
        yield connected
    finally:
        for client in connected:
            client.close()


def refuses(server: Json, folder: Path | None = None) -> bool:
    """Whether nobody listens where the server listened."""
    try:
        client = Client(server, folder)
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    with client:
        if client.transport != "udp":
            return False
        try:
            # The kernel tells of a port that nobody has with the next call.
            client.send(b"?")
            client.send(b"?")
        except ConnectionRefusedError:
            return True
        return False


def talk(server: Json, numbers: count[int], answered: list[bytes]) -> None:
    """Ask, a connection each, until the server is gone; note what was answered."""
    while True:
        word = b"word %d" % next(numbers)
        try:
            with Client(server) as client:
                client.send(word)
                if client.receive(len(word)) != word:
                    return
        except OSError:
            return
        answered.append(word)


def ask(server: Json, data: bytes) -> None:
    """Have an echo answer `data`, and wait for the server's end."""
    with Client(server) as client:
        assert client.ask(data) == data
        client.end()
        assert client.sees_the_end(SOON_S)
