"""R24: while children of one server live, the address of another that stops is free at once.

And so is its own.
"""

from __future__ import annotations

import os
import signal
import socket

from tests.promises.proc import children
from tests.promises.serving import Served, client_of, short_and_full, tcp


@short_and_full("times", 1, 50)
def test_r24_address_of_another_is_free(times: int) -> None:
    with (
        Served(tcp("forking"), "Stuck", run="HostedServer") as living,
        Served(tcp("forking"), "Echo", run="HostedServer") as stopping,
        client_of(living.address) as client,
    ):
        client.sendall(b"?")
        assert client.recv(1) == b"!"  # its child lives on
        for _ in range(times):
            address = stopping.address
            stopping.ask("stop")
            _can_be_bound(address)
            stopping.begin()
        assert living.ask("stop", timeout_s=0.2) == 1


@short_and_full("times", 1, 50)
def test_r24_own_address_is_free(times: int) -> None:
    """Bare, and without waiting for its children at the close."""
    options = {"block_on_close": False, "allow_reuse_address": True}
    with Served(tcp("forking"), "Stuck", run="bare", attributes=options) as server:
        for _ in range(times):
            dead = set(children(server.pid))  # nobody reaps them: their servers are closed
            with client_of(server.address) as client:
                client.sendall(b"?")
                assert client.recv(1) == b"!"
                (child,) = set(children(server.pid)) - dead
                try:
                    address = server.address
                    server.ask("stop")
                    _can_be_bound(address, reuse=True)  # the connection is still there
                    assert child in children(server.pid)
                finally:
                    os.kill(child, signal.SIGKILL)
            server.begin()


def _can_be_bound(address: tuple[str, int], *, reuse: bool = False) -> None:
    with socket.socket() as probe:
        assert probe.connect_ex(address) != 0, "somebody listens there"
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, reuse)
        listener.bind(address)
        listener.listen()
