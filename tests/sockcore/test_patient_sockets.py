"""Sockets with a timeout of their own, as a `get_request()` may give them: Python waits for those
whatever the flags say, and nobody else must wait with it."""

# mypy: allow-subclassing-any

from __future__ import annotations

from typing import Any

import pytest

import sockcore
from tests.sockcore.serving import DEADLINE_S, connect, in_thread, join


class Echo(sockcore.StreamRequestHandler):
    def handle(self) -> None:
        for line in self.rfile:
            self.wfile.write(line)


@pytest.mark.parametrize("base", [sockcore.EventTCPServer, sockcore.PoolTCPServer])
def test_a_silent_client_holds_up_nobody(base: Any) -> None:
    class Server(base):
        max_threads = 2

        def get_request(self) -> Any:
            request, address = super().get_request()
            request.settimeout(3 * DEADLINE_S)
            return request, address

    with (
        Server(("127.0.0.1", 0), Echo) as server,
        in_thread(server.serve_forever, 0.01) as serving,
    ):
        with connect(server.server_address), connect(server.server_address) as client:
            client.settimeout(DEADLINE_S)
            client.sendall(b"here\n")
            assert client.recv(10) == b"here\n"
        with in_thread(server.shutdown) as stopping:
            join(stopping)
        join(serving)


def test_forking_has_its_descriptor_before_there_is_a_child(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the last descriptor the parent fails, not one whose child already answers."""
    opened: list[bool] = []
    with sockcore.ForkingTCPServer(("127.0.0.1", 0), Echo) as server:

        def no_fork() -> int:
            opened.append(server._children is not None)
            raise OSError("no more processes")

        monkeypatch.setattr("os.fork", no_fork)
        monkeypatch.setattr(server, "handle_error", lambda *_: None)
        with connect(server.server_address):
            server.handle_request()
    assert opened == [True]
