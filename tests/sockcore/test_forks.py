"""ForkingMixIn where it is not as the stdlib's: docs/sockcore.md, "Different on purpose"."""

from __future__ import annotations

import os
import socket

import pytest

import sockcore
from sockcore import BackgroundServer, ServerState
from tests.sockcore.forking import LOOPBACK, answering, connected, latch, serve_until
from tests.sockcore.serving import read_all

if not hasattr(os, "fork"):
    pytest.skip("no fork here", allow_module_level=True)


class Full(sockcore.ForkingTCPServer):
    max_children = 1


def test_at_the_limit_the_loop_goes_on_and_who_comes_waits() -> None:
    turns = 0

    def turned() -> bool:
        nonlocal turns
        turns += 1
        return turns > 20

    with (
        latch() as held,
        Full(LOOPBACK, answering(sockcore, held.wait)) as server,
        connected(server, 2) as (first, second),
    ):
        serve_until(server, turned)  # which stands still in the stdlib
        assert server.active_children is not None
        assert len(server.active_children) == 1
        server.RequestHandlerClass = answering(sockcore, lambda: b"served")
        held.let_go()
        assert read_all(first) == b""
        turns = 0
        serve_until(server, turned)
        assert read_all(second) == b"served"


def test_at_the_limit_children_of_the_program_are_left_alone() -> None:
    with (
        Full(LOOPBACK, answering(sockcore, lambda: b"")) as server,
        connected(server, 2) as clients,
    ):
        other = os.fork()
        if not other:
            os._exit(72)
        os.waitid(os.P_PID, other, os.WEXITED | os.WNOWAIT)
        server.handle_request()
        server.handle_request()
        server.collect_children(blocking=True)
        for client in clients:
            assert read_all(client) == b""
    assert os.waitstatus_to_exitcode(os.waitpid(other, 0)[1]) == 72


def test_a_child_that_ended_is_reaped_without_another_request() -> None:
    with (
        sockcore.ForkingTCPServer(LOOPBACK, answering(sockcore, lambda: b"")) as server,
        connected(server, 1) as (client,),
    ):
        # Nothing but its end can make the loop turn a second time.
        serve_until(server, lambda: server.active_children == set(), poll_interval=None)
        assert read_all(client) == b""


def test_in_a_child_the_listener_is_closed() -> None:
    def listening() -> bytes:
        return b"%d" % server.socket.fileno()

    with (
        sockcore.ForkingTCPServer(LOOPBACK, answering(sockcore, listening)) as server,
        connected(server, 1) as (client,),
    ):
        server.handle_request()
        assert read_all(client) == b"-1"
        server.collect_children(blocking=True)
        assert server.fileno() >= 0


def test_in_a_child_the_socket_of_datagrams_stays() -> None:
    class Echo(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            data, answers = self.request
            answers.sendto(data, self.client_address)

    with (
        sockcore.ForkingUDPServer(LOOPBACK, Echo) as server,
        socket.socket(type=socket.SOCK_DGRAM) as client,
    ):
        client.settimeout(20)
        client.sendto(b"here", server.server_address)
        server.handle_request()
        assert client.recv(10) == b"here"
        server.collect_children(blocking=True)


def test_a_background_server_refuses_and_closes_it() -> None:
    made = sockcore.ForkingTCPServer(LOOPBACK, answering(sockcore, lambda: b""))
    server = BackgroundServer(lambda: made)
    with pytest.raises(TypeError, match="a process of its own: HostedServer"):
        server.start()
    assert (server.state, made.fileno()) == (ServerState.FAILED, -1)
