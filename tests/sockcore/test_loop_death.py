"""A serve loop that dies, or ends unasked: a failure with its cause, and no hindrance."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import sockcore
from sockcore import BackgroundServer, ConnectionClosed, ServerStarted, ServerState, ServerStopped
from tests.sockcore.serving import connect, read_all, wait_until
from tests.sockcore.watching import (
    LOOPBACK,
    NEVER_S,
    Echo,
    Heard,
    caller,
    question,
    watched,
)

pytestmark = pytest.mark.usefixtures("leaves_nothing")


class DyingServer(sockcore.ThreadingTCPServer):
    """Its loop dies in the turn after `.last` is set."""

    last = threading.Event()

    def service_actions(self) -> None:
        if self.last.is_set():
            raise MemoryError("no more")


def dying(at_once: bool) -> DyingServer:
    server = DyingServer(LOOPBACK, Echo)
    server.last = threading.Event()
    if at_once:
        server.last.set()
        connect(server.server_address).close()
    return server


def test_loop_that_dies_is_a_failure_with_its_cause(caplog: pytest.LogCaptureFixture) -> None:
    made: list[DyingServer] = []
    with watched(lambda: made.append(dying(False)) or made[-1]) as w:  # type: ignore[func-returns-value]
        with caller(w.server) as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
            address = w.server.address
            made[0].last.set()
            (stopped,) = w.heard.wait_for(ServerStopped)
            assert (stopped.cause, stopped.abandoned) == ("MemoryError: no more", 0)
            assert read_all(client) == b""
        assert w.server.state is ServerState.FAILED
        assert w.server.error == "MemoryError: no more"
        assert (w.server.address, w.server.fileno, w.server.started_us) == (None, None, None)
        with pytest.raises(ConnectionRefusedError):
            connect(address)
        assert [e.closed_by for e in w.heard.wait_for(ConnectionClosed)] == ["stop"]
        made[0].last.clear()
        with w.server as again:
            assert question(again, "tcp", Path(), b"again") == b"again"
    assert [r.exc_info is not None for r in caplog.records] == [True]


def test_loop_that_dies_at_once_is_never_taken_for_running() -> None:
    heard = Heard()
    server = BackgroundServer(lambda: dying(True), sink=heard)
    for count in range(1, 31):
        server.start()
        heard.wait_for(ServerStopped, count)
        wait_until(lambda: server.state is ServerState.FAILED, "the failure")
    assert server.stop() == 0
    assert len(heard.of(ServerStarted)) == 30


def test_loop_that_ends_unasked_is_a_failure_too() -> None:
    class Ending(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            self.server.shutdown()

    with watched(lambda: sockcore.TCPServer(LOOPBACK, Ending)) as w:
        caller(w.server).close()
        (stopped,) = w.heard.wait_for(ServerStopped)
        assert stopped.cause == "its loop ended without being asked to"
        wait_until(lambda: w.server.state is ServerState.FAILED, "the failure")


def test_stop_of_a_server_that_is_dying_is_in_time() -> None:
    """Whichever comes first, neither waits for the other."""
    for _ in range(30):
        server = BackgroundServer(lambda: dying(True)).start()
        server.stop(NEVER_S)
        assert server.state is ServerState.STOPPED
