"""HostedServer: what a BackgroundServer does, in a process of its own."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sockcore import (
    ConnectionClosed,
    HostedServer,
    Limits,
    RequestFinished,
    RequestProgressed,
    Restarts,
    ServerStarted,
    ServerState,
    ServerStopped,
    SockcoreError,
    StateError,
)
from tests.sockcore.watching import LOOPBACK, Heard
from tests.waiting import equal, eventually

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
    with socket.create_connection(server.address, timeout=20) as client:
        yield client


def ask(client: socket.socket, line: bytes) -> bytes:
    client.sendall(line)
    return client.recv(1000)


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize(
    "kind", ["TCPServer", "ThreadingTCPServer", "PoolTCPServer", "EventTCPServer"]
)
def test_it_answers_from_a_process_of_its_own(kind: str) -> None:
    with serving(kind) as (server, heard):
        assert server.state is ServerState.RUNNING
        assert server.pid not in (None, os.getpid())
        with connected(server) as client:
            assert int(ask(client, b"pid\n")) == server.pid
            (connection,) = eventually(server.connections)
            assert connection.peer == "{}:{}".format(*client.getsockname())
            assert ask(client, b"hello\n") == b"hello\n"
        (end,) = heard.wait_for(RequestFinished)
        assert (end.outcome, end.received.prefix) == ("ok", b"pid\nhello\n")
        assert end.sent.prefix.endswith(b"\nhello\n")
        equal(lambda: server.totals().bytes_in, 10)
        assert heard.names[0] == "ServerStarted"
    assert heard.names[-1] == "ServerStopped"
    assert server.state is ServerState.STOPPED
    assert server.totals().requests_total == 1
    assert (server.address, server.pid, server.connections()) == (None, None, [])


def test_datagrams_and_unix_sockets(folder: Path) -> None:
    with (
        serving("UDPServer", "Upper") as (server, heard),
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer,
    ):
        peer.settimeout(20)
        peer.sendto(b"a", server.address)
        assert peer.recv(10) == b"A"
        assert heard.wait_for(RequestFinished)[0].sent.prefix == b"A"
    path = str(folder / "hosted.sock")
    with (
        serving("ThreadingUnixStreamServer", "Echo", path) as (server, _),
        socket.socket(socket.AF_UNIX) as local,
    ):
        local.settimeout(20)
        local.connect(path)
        assert ask(local, b"b\n") == b"b\n"
        assert server.address == path


def test_bind_errors_are_what_they_are_elsewhere() -> None:
    with socket.create_server(LOOPBACK) as other:
        server, heard = hosted(address=other.getsockname())
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        with pytest.raises(OSError, match="in use") as caught:
            server.start()
    assert caught.value.errno == errno.EADDRINUSE
    assert server.state is ServerState.FAILED
    assert server.error is not None
    assert "in use" in server.error
    assert heard.events == []
    server.stop()
    assert server.state is ServerState.STOPPED


@pytest.mark.parametrize(
    ("target", "arguments", "told"),
    [
        ("no_such_module:make", (), "ModuleNotFoundError: No module named 'no_such_module'"),
        ("tests.sockcore.hosting:nothing", (), "AttributeError"),
        ("tests.sockcore.hosting:fail", ("the reason",), "ValueError: the reason"),
        ("tests.sockcore.hosting:leave", (), "exited with status 7: no reason to stay"),
    ],
)
def test_a_target_that_fails_is_told(target: str, arguments: Any, told: str) -> None:
    server = HostedServer(target, arguments)
    with pytest.raises(SockcoreError, match=told):
        server.start()
    assert server.state is ServerState.FAILED


def test_starting_twice_is_refused() -> None:
    with serving() as (server, _), pytest.raises(StateError):
        server.start()


def test_disconnect_and_limits_reach_the_child() -> None:
    with serving(limits=Limits(max_connections=5)) as (server, heard):
        with connected(server) as client:
            ask(client, b"a\n")
            (connection,) = eventually(server.connections)
            assert server.disconnect(connection.id)
            assert client.recv(1) == b""
            assert heard.wait_for(RequestFinished)[0].outcome == "disconnected"
            assert not server.disconnect(connection.id)
        server.limits = Limits(max_connections=1)
        with connected(server) as first:
            ask(first, b"a\n")
            with connected(server) as second, contextlib.suppress(ConnectionResetError):
                assert second.recv(1) == b""
        equal(lambda: server.totals().refused_total, 1)


def test_a_busy_child_does_not_hold_up_what_is_shown() -> None:
    with serving() as (server, _), connected(server) as client:
        ask(client, b"a\n")
        eventually(server.connections)
        client.sendall(b"burn\n")
        for _ in range(1000):  # would take minutes if each had to be answered
            assert server.connections()
            assert server.totals().connections == 1


def test_an_error_in_a_handler_is_told_with_its_traceback() -> None:
    with serving() as (server, heard), connected(server) as client:
        client.sendall(b"raise\n")
        (end,) = heard.wait_for(RequestFinished)
        assert end.outcome == "error"
        assert end.error is not None
        assert end.error.endswith("ValueError: as asked\n")


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
        assert server.state is ServerState.RUNNING


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
    assert stopped.cause == "its process did not stop in time and was killed"
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


def test_nothing_is_left_behind() -> None:
    with serving():
        pass
    before, threads = descriptors(), threading.active_count()
    for _ in range(5):
        with serving() as (server, _), connected(server) as client:
            ask(client, b"a\n")
    equal(descriptors, before)
    equal(threading.active_count, threads)
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_nothing_is_lost_of_two_thousand_requests() -> None:
    with serving("PoolTCPServer") as (server, heard):
        for number in range(2000):
            with connected(server) as client:
                ask(client, b"%d\n" % number)
    ends = heard.of(RequestFinished)
    assert sorted(int(end.received.prefix) for end in ends) == list(range(2000))
    assert server.totals().requests_total == 2000
