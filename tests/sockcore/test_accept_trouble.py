"""accept() that fails for want of descriptors or memory: sockcore waits, tells, and goes on.

Another difference from `socketserver`, which tries again at once, for ever and in silence.
"""

from __future__ import annotations

import errno
import logging
import resource
import socket
import time
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

import sockcore
from sockcore.loop import AcceptTrouble
from tests.sockcore.serving import DEADLINE_S, ask, connect, read_all, running, wait_until

LOOPBACK = ("127.0.0.1", 0)

STARVED = [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM]

#: Seconds: far more than a loop needs that does not wait, less than any useful wait.
A_WAIT_S = 0.002

pytestmark = pytest.mark.usefixtures("leaves_nothing")


class Echo(sockcore.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(self.rfile.read())


class StarvedServer(sockcore.TCPServer):
    """Its accept() fails with `code` until it is None."""

    code: int | None = None
    ticks = 0

    def __init__(self, code: int | None) -> None:
        self.code = code
        self.tried_at: list[float] = []
        super().__init__(LOOPBACK, Echo)

    def get_request(self) -> tuple[Any, Any]:
        self.tried_at.append(time.monotonic())
        if self.code is not None:
            raise OSError(self.code, "starved")
        return super().get_request()

    def service_actions(self) -> None:
        self.ticks += 1


def _lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage() for r in caplog.records if r.name == "sockcore"]


def _errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        r.getMessage()
        for r in caplog.records
        if r.name == "sockcore" and r.levelno >= logging.ERROR
    ]


@pytest.mark.parametrize("code", STARVED, ids=errno.errorcode.__getitem__)
def test_starved_loop_waits_between_its_tries(code: int, caplog: pytest.LogCaptureFixture) -> None:
    """Every gap between two tries is a wait: a loop that spins has gaps of microseconds."""
    with running(StarvedServer(code)) as server, connect(server.server_address):
        wait_until(lambda: len(server.tried_at) >= 5, "five tries")
        tried_at = server.tried_at[:5]
    assert all(later - earlier >= A_WAIT_S for earlier, later in pairwise(tried_at))
    assert len(_errors(caplog)) == 1
    assert "starved" in _errors(caplog)[0]


@pytest.mark.parametrize("code", STARVED, ids=errno.errorcode.__getitem__)
def test_starved_loop_beats_and_accepts_again(code: int) -> None:
    with running(StarvedServer(code)) as server, connect(server.server_address) as client:
        client.sendall(b"patient")
        client.shutdown(socket.SHUT_WR)
        wait_until(lambda: server.tried_at and server.ticks > 3, "beats while starved")
        server.code = None
        assert read_all(client) == b"patient"
        assert ask(server.server_address, b"next") == b"next"


def test_starved_loop_stops_at_once() -> None:
    with (
        running(StarvedServer(errno.EMFILE), 3600.0) as server,
        connect(server.server_address),
    ):
        wait_until(lambda: len(server.tried_at) > 2, "tries")
        server.shutdown()


def _fails_and_works(server: StarvedServer) -> None:
    """One client is accepted after tries that failed."""
    server.code = errno.EMFILE
    tried = len(server.tried_at)
    with connect(server.server_address) as client:
        client.shutdown(socket.SHUT_WR)
        wait_until(lambda: len(server.tried_at) > tried + 2, "tries")
        server.code = None
        assert read_all(client) == b""


def test_failures_that_come_and_go_are_one_trouble(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AcceptTrouble, "QUIET_S", 3600.0)
    with running(StarvedServer(None)) as server:
        for _ in range(5):
            _fails_and_works(server)
    assert len(_lines(caplog)) == 1


def test_trouble_is_over_after_a_quiet_while_and_the_next_is_told_anew(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AcceptTrouble, "QUIET_S", 0.05)
    with running(StarvedServer(None), 0.01) as server:
        for row in (1, 2):
            _fails_and_works(server)
            wait_until(lambda n=2 * row: len(_lines(caplog)) == n, "the end to be told")  # type: ignore[misc]
    assert len(_errors(caplog)) == 2


def test_loop_rests_when_nobody_waits_after_a_failure() -> None:
    """The client that could not be accepted is gone: no try is due, and nothing spins."""
    with running(StarvedServer(errno.EMFILE), 0.05) as server:
        connect(server.server_address).close()
        wait_until(lambda: server.tried_at, "a failure")
        server.socket.accept()[0].close()  # taken by another process at the same listener
        ticks, tries = server.ticks, len(server.tried_at)
        wait_until(lambda: server.ticks > ticks + 10, "beats")
        assert server.ticks - ticks < 100
        assert len(server.tried_at) <= tries + 1


def test_trouble_is_over_when_nobody_is_left_to_try_it_with(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AcceptTrouble, "QUIET_S", 0.05)
    with running(StarvedServer(errno.EMFILE), 0.01) as server:
        connect(server.server_address).close()
        wait_until(lambda: server.tried_at, "a failure")
        server.socket.accept()[0].close()
        wait_until(lambda: len(_lines(caplog)) == 2, "the end to be told")
    assert "accepting again" in _lines(caplog)[1]


@pytest.mark.parametrize("code", [errno.ECONNABORTED, errno.EPROTO, errno.EAGAIN])
def test_other_failures_are_neither_told_nor_waited_for(
    code: int, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        running(StarvedServer(code), 3600.0) as server,
        connect(server.server_address) as client,
    ):
        client.shutdown(socket.SHUT_WR)
        wait_until(lambda: len(server.tried_at) > 100, "many tries")
        server.code = None
        assert read_all(client) == b""
    assert _lines(caplog) == []


def test_process_out_of_descriptors_serves_again_when_it_has_some() -> None:
    """The real thing: the limit of the process is reached when the client comes."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with running(StarvedServer(None)) as server:
        wait_until(lambda: server.ticks, "the loop, with all it opens")
        with socket.socket() as client:
            client.settimeout(DEADLINE_S)
            with socket.socket() as probe:
                lowest = probe.fileno()
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
            try:
                client.connect(server.server_address)
                client.sendall(b"here")
                client.shutdown(socket.SHUT_WR)
                wait_until(lambda: len(server.tried_at) > 2, "failing tries")
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            assert read_all(client) == b"here"


def test_loop_lives_on_when_the_client_is_gone_after_the_failure() -> None:
    """Nobody waits to be accepted any more: the loop must poll again, not block in accept()."""

    class Robbed(StarvedServer):
        def get_request(self) -> tuple[Any, Any]:
            if self.code is not None:
                self.socket.accept()[0].close()  # as another process at the same listener does
            return super().get_request()

    server = Robbed(errno.EMFILE)
    original: Callable[[], tuple[Any, Any]] = server.get_request

    def once() -> tuple[Any, Any]:
        try:
            return original()
        finally:
            server.code = None

    server.get_request = once  # type: ignore[method-assign]
    with running(server, 0.01):
        connect(server.server_address).close()
        wait_until(lambda: server.tried_at, "the failure")
        ticks = server.ticks
        try:
            wait_until(lambda: server.ticks > ticks + 5, "beats after the failure")
        finally:
            connect(server.server_address).close()  # frees a loop that blocks in accept()
