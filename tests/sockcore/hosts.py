"""Hosted servers of tests, and clients for them. Their targets are in `hosting.py`."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from sockcore import HostedServer, Restarts
from tests.sockcore.watching import LOOPBACK, Heard

MAKE = "tests.sockcore.hosting:make"
QUICK = Restarts(first_s=0.05, longest_s=0.2)


def hosted(
    kind: str = "ThreadingTCPServer",
    handler: str = "Echo",
    address: Any = LOOPBACK,
    **options: Any,
) -> tuple[HostedServer, Heard]:
    heard = Heard()
    options.setdefault("restarts", QUICK)
    return HostedServer(MAKE, (kind, handler, address), sink=heard, **options), heard


@contextlib.contextmanager
def serving(*args: Any, **options: Any) -> Iterator[tuple[HostedServer, Heard]]:
    server, heard = hosted(*args, **options)
    with server:
        yield server, heard


@contextlib.contextmanager
def connected(server: HostedServer) -> Iterator[socket.socket]:
    address = server.address
    family = socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX
    with socket.socket(family) as client:
        client.settimeout(20)
        client.connect(address)
        yield client


def ask(client: socket.socket, line: bytes) -> bytes:
    client.sendall(line)
    return client.recv(1000)
