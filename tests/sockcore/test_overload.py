"""More than there is room for: of descriptors, of threads, of clients at one moment."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import sockcore
from sockcore import BackgroundServer, RequestFinished, ServerState
from tests.sockcore.serving import ask, connect, read_all, running, wait_until
from tests.sockcore.starved_server import ROOM
from tests.sockcore.watching import LOOPBACK, Echo, caller, question, sender, watched

ROOT = Path(__file__).resolve().parents[2]


class Starved:
    """The program `starved_server`, running."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._ask, self._answers = process.stdin, process.stdout
        self.address = ("127.0.0.1", int(self._answers.readline()))

    def report(self) -> dict[str, Any]:
        self._ask.write("report\n")
        self._ask.flush()
        report: dict[str, Any] = json.loads(self._answers.readline())
        return report


@contextmanager
def starved() -> Iterator[Starved]:
    program = [sys.executable, "-m", "tests.sockcore.starved_server"]
    with subprocess.Popen(
        program, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield Starved(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            assert process.wait(30) == 0


def least_s(failures: int) -> float:
    """Seconds that so many failures in a row take when each is waited after as promised."""
    return sum(min(0.5, 0.005 * 2.0**n) for n in range(failures - 1))


def test_out_of_descriptors_it_waits_tells_once_and_recovers() -> None:
    with starved() as server, ExitStack() as stack:
        for _ in range(2):
            before = server.report()
            tried = len(before["failed_at"])
            clients = [stack.enter_context(connect(server.address)) for _ in range(3 * ROOM)]
            for client in clients:
                client.sendall(b"x")
            wait_until(lambda n=tried + 7: len(server.report()["failed_at"]) >= n, "failures")  # type: ignore[misc]
            report = server.report()
            failed_at = report["failed_at"][tried:]
            # A descriptor of those that have just left may come back between two of them, or
            # twice: the pauses begin anew then.
            assert failed_at[-1] - failed_at[0] >= 0.99 * least_s(len(failed_at) - 2)
            # One trouble, however often a descriptor comes back meanwhile and is gone again.
            assert report["events"][-1] == "AcceptPaused"
            assert "Too many open files" in report["lines"][-1]
            # Each that leaves makes room for one that waits: all are answered in the end.
            for client in clients:
                assert client.recv(1) == b"x"
                client.close()
        assert ask(server.address, b"as ever") == b"as ever"
        wait_until(lambda: server.report()["events"][-1] == "AcceptResumed", "the end of it")
        report = server.report()
        # Two, when the second crowd came more than a quiet second after the first.
        episodes = len(report["events"]) // 2
        assert episodes in (1, 2)
        assert report["events"] == ["AcceptPaused", "AcceptResumed"] * episodes
        assert len(report["lines"]) == 2 * episodes
        assert "accepting again" in report["lines"][-1]
        assert (report["state"], report["refused"]) == ("running", 0)


@contextmanager
def no_more_threads() -> Iterator[None]:
    before = threading.stack_size()
    threading.stack_size(1 << 46)  # more than there are addresses for
    try:
        yield
    finally:
        threading.stack_size(before)


def test_connection_without_a_thread_is_closed_and_serving_goes_on(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with watched(lambda: sockcore.ThreadingTCPServer(LOOPBACK, Echo)) as w:
        for count in (1, 2):
            with no_more_threads(), caller(w.server) as client:
                assert read_all(client) == b""
                w.heard.wait_for(RequestFinished, 2 * count - 1)
            done = w.heard.of(RequestFinished)[-1]
            assert (done.outcome, done.closed_by) == ("error", "handler")
            assert (done.error or "").endswith("RuntimeError: can't start new thread\n")
            assert question(w.server, "tcp", ROOT, b"next") == b"next"
            w.heard.wait_for(RequestFinished, 2 * count)
        assert w.server.state is ServerState.RUNNING
        assert w.server.connections() == []
        totals = w.server.totals()
        assert (totals.errors_total, totals.requests_total) == (2, 4)
    assert capfd.readouterr().err.count("RuntimeError: can't start new thread") == 2


def test_datagram_without_a_thread_is_dropped_and_serving_goes_on() -> None:
    with (
        watched(lambda: sockcore.ThreadingUDPServer(LOOPBACK, Echo)) as w,
        ExitStack() as stack,
    ):
        with no_more_threads():
            client = stack.enter_context(sender(w.server, ROOT))
            client.send(b"lost")
            w.heard.wait_for(RequestFinished)
        client.send(b"next")
        assert client.recv(9) == b"next"
        outcomes = [e.outcome for e in w.heard.wait_for(RequestFinished, 2)]
        assert outcomes == ["error", "ok"]


@pytest.mark.parametrize("name", ["TCPServer", "ThreadingTCPServer"])
def test_burst_during_a_stall_is_accepted(name: str) -> None:
    """200 clients come before the loop runs: none is turned away, all are answered."""
    server = getattr(sockcore, name)(LOOPBACK, Echo)
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server.server_address)) for _ in range(200)]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number)
            client.shutdown(1)
        with running(server):
            assert [read_all(client) for client in clients] == [b"%d" % n for n in range(200)]


def test_a_thousand_failures_in_a_row_leave_it_alive(capfd: pytest.CaptureFixture[str]) -> None:
    class Failing(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            raise ValueError(self.request.recv(1))

    with BackgroundServer(lambda: sockcore.ThreadingTCPServer(LOOPBACK, Failing)) as server:
        for _ in range(1000):
            assert ask(server.address, b"x") == b""
        wait_until(lambda: server.totals().errors_total == 1000, "the count")
        assert server.totals().connections == 0
        assert server.stop() == 0
    assert capfd.readouterr().err.count("ValueError: b'x'") == 1000
