"""HostedServer in trouble: children that die, hang or do not come up; a parent that dies."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sockcore import (
    ConnectionClosed,
    HostedServer,
    RequestFinished,
    RequestProgressed,
    Restarts,
    ServerStarted,
    ServerState,
    ServerStopped,
    SockcoreError,
)
from tests.sockcore.hosts import MAKE, ask, connected, hosted, serving
from tests.waiting import equal, eventually


def test_r22_a_host_that_dies_is_told_and_started_again() -> None:
    with serving() as (server, heard):
        first = server.pid
        assert first is not None
        with connected(server) as client:
            ask(client, b"a\n")
            heard.wait_for(RequestProgressed)
            os.kill(first, signal.SIGKILL)
            (end,) = heard.wait_for(RequestFinished)
        cause = "its host process died of signal 9 (SIGKILL)"
        assert (end.outcome, end.error, end.received.prefix) == ("error", cause, b"a\n")
        assert heard.wait_for(ServerStopped)[0].cause == cause
        assert len(heard.of(ConnectionClosed)) == 1
        heard.wait_for(ServerStarted, 2)
        eventually(lambda: server.state is ServerState.RUNNING)
        assert server.pid not in (None, first)
        with connected(server) as client:
            assert ask(client, b"b\n") == b"b\n"


def test_r22_after_too_many_deaths_it_is_given_up() -> None:
    with serving(restarts=Restarts(first_s=0.01, longest_s=0.01, most=3)) as (server, heard):
        for death in range(1, 4):
            heard.wait_for(ServerStarted, death)
            eventually(lambda: server.state is ServerState.RUNNING)
            with connected(server) as client, contextlib.suppress(ConnectionResetError):
                ask(client, b"die\n")
            heard.wait_for(ServerStopped, death)
        given_up = "exited with status 3: last words; given up after 3 times in 60 s"
        eventually(lambda: given_up in (server.error or ""))
        assert server.state is ServerState.FAILED
        server.stop()
        server.start()
        equal(lambda: server.state, ServerState.RUNNING)


def test_stop_cancels_a_restart() -> None:
    server, heard = hosted(restarts=Restarts(first_s=3600.0, longest_s=3600.0))
    server.start()
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    heard.wait_for(ServerStopped)
    eventually(lambda: "started again in 3600 s" in (server.error or ""))
    assert server.stop() == 0
    assert server.state is ServerState.STOPPED
    equal(lambda: [t.name for t in threading.enumerate() if t.name.startswith("host:")], [])


def test_stop_is_bounded_with_a_stuck_handler() -> None:
    server, heard = hosted(handler="Stuck")
    server.start()
    with connected(server):
        heard.wait_for(RequestProgressed)
        assert server.stop(1.0) == 1
    assert heard.wait_for(RequestFinished)[0].outcome == "stopped"
    assert heard.names[-1] == "ServerStopped"


def test_a_child_that_does_not_answer_is_killed() -> None:
    server, heard = hosted()
    server.start()
    with connected(server) as client:
        ask(client, b"a\n")
        heard.wait_for(RequestProgressed)
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)
        assert server.stop(0.5) == 1
    stopped = heard.wait_for(ServerStopped)[0]
    assert stopped.cause == "its host process did not end in time and was killed"
    assert len(heard.of(RequestFinished)) == 1


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    program = (
        "import sys, time\n"
        "from sockcore import HostedServer\n"
        f"server = HostedServer({MAKE!r}, ('TCPServer', 'Echo', ('127.0.0.1', 0))).start()\n"
        "print(server.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.kill()
    eventually(lambda: not is_running(child))


def is_running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_r22_a_restart_that_fails_counts_as_a_death(tmp_path: Path) -> None:
    once = tmp_path / "once"
    rule = Restarts(first_s=0.01, longest_s=0.02, most=3)
    server = HostedServer("tests.sockcore.hosting:make_once", (str(once),), restarts=rule)
    with server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        given_up = "ValueError: once was enough; given up after 3 times in 60 s"
        equal(lambda: server.error, given_up)
        assert server.state is ServerState.FAILED


def test_a_loop_that_dies_is_told_and_started_again() -> None:
    with serving("TCPServer", "Deadly") as (server, heard):
        with connected(server), contextlib.suppress(ConnectionResetError):
            cause = heard.wait_for(ServerStopped)[0].cause
        assert cause == "SystemExit: the loop goes too"
        heard.wait_for(ServerStarted, 2)
        eventually(lambda: server.state is ServerState.RUNNING)


def test_sigterm_stops_a_child_in_order() -> None:
    with serving() as (server, heard):
        with connected(server) as client:
            ask(client, b"a\n")
            assert server.pid is not None
            os.kill(server.pid, signal.SIGTERM)
            assert client.recv(1) == b""
        (end,) = heard.wait_for(RequestFinished)
        assert end.outcome == "stopped"
        cause = heard.wait_for(ServerStopped)[0].cause
        assert cause == "its host process was told to end (SIGTERM)"
        heard.wait_for(ServerStarted, 2)


def test_sigint_is_for_the_parent() -> None:
    with serving() as (server, heard), connected(server) as client:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGINT)
        assert ask(client, b"a\n") == b"a\n"
    assert heard.of(ServerStopped)[0].cause is None


def test_stop_calls_off_a_start() -> None:
    server = HostedServer("tests.sockcore.hosting:never")
    raised: list[BaseException] = []

    def start() -> None:
        with pytest.raises(SockcoreError, match="stopped while it started") as caught:
            server.start()
        raised.append(caught.value)

    starter = threading.Thread(target=start)
    starter.start()
    eventually(lambda: server.state is ServerState.STARTING)
    assert server.stop(3600) == 0
    starter.join(20)
    assert raised
    assert server.state is ServerState.STOPPED


def test_a_child_that_does_not_listen_in_time_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sockcore.host._START_S", 0.2)
    server = HostedServer("tests.sockcore.hosting:never")
    with pytest.raises(SockcoreError, match="it did not listen within 0.2 s"):
        server.start()
    assert server.state is ServerState.FAILED
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_child_that_talks_nonsense_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    with serving(restarts=Restarts(most=1)) as (server, heard):
        with connected(server) as client, contextlib.suppress(ConnectionResetError):
            ask(client, b"nonsense\n")
        heard.wait_for(ServerStopped)
        assert server.state is ServerState.FAILED
    assert "posix.system is none of ours" in caplog.text
