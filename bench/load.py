"""The load: closed loops of clients with lines of 32 bytes, bounded in number."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable

LINE = b"x" * 31 + b"\n"
Load = Callable[[int, int], None]  # (port, requests)


def churn(port: int, requests: int) -> None:
    """A connection a request, one after another."""
    for _ in range(requests):
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(LINE)
            _expect(client.recv(64))
            _close(client)


def persistent(port: int, requests: int, clients: int = 50) -> None:
    """`clients` connections that stay, each with one line under way."""
    left = requests
    with selectors.DefaultSelector() as selector:
        for _ in range(clients):
            client = socket.create_connection(("127.0.0.1", port))
            client.sendall(LINE)
            selector.register(client, selectors.EVENT_READ)
        while left > 0:
            for key, _ in selector.select():
                sock = key.fileobj
                assert isinstance(sock, socket.socket)
                _expect(sock.recv(64))
                left -= 1
                sock.sendall(LINE)
        for key in list(selector.get_map().values()):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            _close(sock)


def datagrams(port: int, requests: int) -> None:
    """One datagram under way at a time."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", port))
        client.settimeout(5)
        for _ in range(requests):
            client.send(LINE)
            _expect(client.recv(64))


def _close(client: socket.socket) -> None:
    """Say that we are done, and wait until the server is."""
    client.shutdown(socket.SHUT_WR)
    while client.recv(64):
        pass
    client.close()


def _expect(answer: bytes) -> None:
    if answer != LINE:
        raise RuntimeError(f"the server answered {answer!r}")
