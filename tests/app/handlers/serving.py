"""Real servers and clients of every kind, for the tests of handlers. Always closed again."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from app.domain import Concurrency, Transport
from app.services.kinds import KIND_CLASSES
from sockcore import TCPServer

#: Seconds until a read that should have been answered gives up; never what a test measures.
PATIENCE_S = 10.0

Where = tuple[str, int] | str


def server_at(
    transport: Transport, handler: type, folder: Path, concurrency: Concurrency = "single"
) -> TCPServer:
    """A bound server whose handlers' errors come out, and are not printed."""
    base = KIND_CLASSES[transport, concurrency]
    # Large enough for any datagram, as the panel has it.
    attributes = {"handle_error": _raise, "max_packet_size": 65_535}
    server_class = type(base.__name__, (base,), attributes)
    where: Where = ("127.0.0.1", 0) if transport in ("tcp", "udp") else str(folder / "s")
    server = server_class(where, handler)
    assert isinstance(server, TCPServer)
    return server


def _raise(_server: object, _request: object, _client: object) -> None:
    raise  # called while the handler's exception is being handled


@contextlib.contextmanager
def serving(
    transport: Transport, handler: type, folder: Path, concurrency: Concurrency = "threading"
) -> Iterator[Where]:
    """The address of a server that serves in a thread of its own."""
    with server_at(transport, handler, folder, concurrency) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_address
        finally:
            server.shutdown()
            thread.join()


@contextlib.contextmanager
def connected(where: Where) -> Iterator[socket.socket]:
    family = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as client:
        client.settimeout(PATIENCE_S)
        client.connect(where)
        yield client


def converse(where: Where, said: bytes) -> bytes:
    """All that a stream server answers to `said`, once it has been told that this is all."""
    with connected(where) as client:
        client.sendall(said)
        client.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: client.recv(65_536), b""))


@contextlib.contextmanager
def datagram_client(server: TCPServer, folder: Path) -> Iterator[socket.socket]:
    """A datagram socket with an address of its own, so that it can be answered."""
    family = server.address_family
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE_S)
        client.bind(str(folder / "c") if family == socket.AF_UNIX else ("127.0.0.1", 0))
        client.connect(server.server_address)
        yield client


def answers(server: TCPServer, client: socket.socket, *sent: bytes) -> list[bytes]:
    """What came back of datagrams that were handled one after another.

    Local datagrams are delivered before sendto() returns, so nothing needs to be waited for.
    """
    for datagram in sent:
        client.send(datagram)
        server.handle_request()
    client.setblocking(False)
    came: list[bytes] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            came.append(client.recv(262_144))
    return came
