"""R8: when there can be no more threads or processes, the connection is closed and counted.

The server goes on running, and answers again as soon as there can be.
"""

from __future__ import annotations

import socket
from collections import Counter
from contextlib import ExitStack

import pytest

from tests.promises.serving import Served, client_of, short_and_full, tcp
from tests.waiting import equal, eventually


@short_and_full("times", 5, 1_000)
def test_r08_no_thread(times: int) -> None:
    with Served(tcp("threading"), "Answer") as server:
        for _ in range(times):
            server.ask("forbid")
            assert _answer(server) == b""
            server.ask("allow")
            assert _answer(server) == b"here"
        equal(lambda: server.report()["outcomes"], {"ok": times, "error": times})
        report = server.report()
        assert report["state"] == "running"
        assert (report["totals"]["connections"], report["totals"]["errors_total"]) == (0, times)
        assert server.said().count("RuntimeError: can't start new thread") == times


@short_and_full("times", 5, 1_000)
def test_r08_no_process(times: int) -> None:
    with Served(tcp("forking"), "Answer", run="bare") as server:
        for _ in range(times):
            server.ask("forbid")
            assert _answer(server) == b""
            server.ask("allow")
            assert _answer(server) == b"here"
        assert server.said().count("Resource temporarily unavailable") == times


@short_and_full("times", 50, 1_000)
@pytest.mark.parametrize("model", ["pool", "event"])
def test_r08_no_more_threads_than_there_are(model: str, times: int) -> None:
    """A pool that cannot grow serves with what it has."""
    with Served(tcp(model), "Answer") as server:
        assert _answer(server) == b"here"
        server.ask("forbid")
        assert [_answer(server) for _ in range(times)] == [b"here"] * times
        report = server.report()
        assert (report["state"], report["totals"]["errors_total"]) == ("running", 0)


def test_r08_pool_that_is_full_and_cannot_grow_refuses() -> None:
    with Served(tcp("pool"), "Stuck", attributes={"max_queue": 1}) as server, ExitStack() as stack:
        with client_of(server.address) as client:  # its threads are there, once it answers
            client.shutdown(socket.SHUT_WR)
            assert client.recv(1) == b""
        server.ask("forbid")
        clients = [stack.enter_context(client_of(server.address)) for _ in range(5)]
        for client in clients:
            client.sendall(b"?")
        # Two threads are there from the beginning, one client may wait for them. A thread that
        # found nothing to accept counts as busy while it looks.
        refused = eventually(lambda: _refused(server, at_least=2))
        assert refused in (2, 3)
        assert server.report()["state"] == "running"
        server.ask("open_gate")
        answers = Counter(_first(client) for client in clients)
        assert answers == {b"": refused, b"!": 5 - refused}


def _refused(server: Served, at_least: int) -> int:
    refused: int = server.report()["totals"]["refused_total"]
    assert refused >= at_least
    return refused


def _first(client: socket.socket) -> bytes:
    try:
        return client.recv(1)
    except ConnectionResetError:
        return b""


def _answer(server: Served) -> bytes:
    with client_of(server.address) as client:
        try:
            client.sendall(b"here")
            return client.recv(99)
        except (BrokenPipeError, ConnectionResetError):  # closed before it was heard
            return b""
