"""HostedServer: what a BackgroundServer does, in a process of its own."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from sockcore import (
    BackgroundServer,
    ConnectionClosed,
    ConnectionOpened,
    HostedServer,
    Limits,
    RequestFinished,
    Restarts,
    ServerStarted,
    ServerState,
    ServerStopped,
    SockcoreError,
    StateError,
)
from tests.sockcore import hosting
from tests.sockcore.hosts import ask, connected, hosted, serving
from tests.sockcore.watching import LOOPBACK, Heard
from tests.waiting import equal, eventually


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
    equal(lambda: server.state, ServerState.STOPPED)
    assert server.totals().requests_total == 1
    assert [server.address, server.pid, server.connections()] == [None, None, []]


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
    equal(lambda: server.state, ServerState.STOPPED)


@pytest.mark.parametrize(
    ("target", "arguments", "kind", "told"),
    [
        ("no_such_module:make", (), ModuleNotFoundError, "No module named 'no_such_module'"),
        ("tests.sockcore.hosting:nothing", (), AttributeError, "nothing"),
        ("tests.sockcore.hosting:fail", ("the reason",), ValueError, "the reason"),
        ("tests.sockcore.hosting:fail_oddly", (), SockcoreError, "^Odd: in its own way$"),
        ("tests.sockcore.hosting:burn_for", (0,), TypeError, "made no server of sockcore"),
        ("tests.sockcore.hosting:leave", (), SockcoreError, "with status 7: no reason to stay"),
    ],
)
def test_a_target_that_fails_is_told(
    target: str, arguments: Any, kind: type[Exception], told: str
) -> None:
    server = HostedServer(target, arguments)
    with pytest.raises(kind, match=told) as caught:
        server.start()
    assert type(caught.value) is kind
    assert server.state is ServerState.FAILED
    assert told.strip("^$") in (server.error or "")


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
        assert not server.disconnect(0)  # answered after the limits were heard
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


def test_fifty_runs_leave_nothing(leaves_nothing: None) -> None:
    server, heard = hosted()
    for run in range(1, 51):
        with server, connected(server) as client:
            assert ask(client, b"a\n") == b"a\n"
            client.close()
            heard.wait_for(RequestFinished, run)
        assert server.state is ServerState.STOPPED
    assert len(heard.of(ServerStarted)) == len(heard.of(ServerStopped)) == 50
    assert [end.outcome for end in heard.of(RequestFinished)] == ["ok"] * 50
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_nothing_is_lost_of_five_thousand_requests() -> None:
    with serving("PoolTCPServer") as (server, heard):
        for number in range(5000):
            with connected(server) as client:
                ask(client, b"%d\n" % number)
    ends = heard.of(RequestFinished)
    assert sorted(int(end.received.prefix) for end in ends) == list(range(5000))
    assert server.totals().requests_total == 5000
    assert len(heard.of(ConnectionOpened)) == len(heard.of(ConnectionClosed)) == 5000


def facts(end: RequestFinished) -> object:
    chunks = [(chunk.inbound, chunk.size) for chunk in end.chunks]
    return end.outcome, end.closed_by, end.error, end.received, end.sent, chunks


def test_the_events_are_those_of_a_background_server() -> None:
    def traffic(server: HostedServer | BackgroundServer) -> None:
        with socket.create_connection(server.address, timeout=20) as client:
            for line in (b"a\n", b"bc\n", b"x" * 5000 + b"\n"):
                client.sendall(line)
                client.recv(10_000, socket.MSG_WAITALL if len(line) > 5000 else 0)[:1]

    elsewhere, heard_elsewhere = hosted()
    here = BackgroundServer(
        lambda: hosting.make("ThreadingTCPServer", "Echo", LOOPBACK), sink=(heard_here := Heard())
    )
    for server, heard in ((elsewhere, heard_elsewhere), (here, heard_here)):
        with server:
            traffic(server)
            heard.wait_for(RequestFinished)
    (there,), (known,) = heard_elsewhere.of(RequestFinished), heard_here.of(RequestFinished)
    assert facts(there) == facts(known)
    assert heard_elsewhere.names == heard_here.names


def test_what_the_child_prints_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with serving() as (server, _), connected(server) as client:
        ask(client, b"print\n")
        ask(client, b"complain\n")
    assert [record.getMessage() for record in caplog.records] == [
        "server: printed",
        "server: complained",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}


def test_limits_set_while_it_starts_hold(tmp_path: Path) -> None:
    may_listen = tmp_path / "may-listen"
    server = HostedServer("tests.sockcore.hosting:make_when", (str(may_listen),))
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(server.start)
        eventually(lambda: server.state is ServerState.STARTING)
        server.limits = Limits(max_connections=1)
        may_listen.touch()
        started.result(20)
    try:
        with connected(server) as first:
            ask(first, b"a\n")
            eventually(lambda: _turns_away(server))
    finally:
        server.stop()


def _turns_away(server: HostedServer) -> bool:
    """Of its limits it hears a moment after it listens."""
    with connected(server) as client:
        client.settimeout(1)
        try:
            return client.recv(1) == b""
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False


def test_children_of_the_host_do_not_hold_its_ends_open() -> None:
    with serving(restarts=Restarts(most=1)) as (server, heard), connected(server) as client:
        assert ask(client, b"fork\n").strip().isdigit()
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        cause = heard.wait_for(ServerStopped)[0].cause
        assert cause == "its host process died of signal 9 (SIGKILL)"


def test_the_child_holds_no_descriptor_of_ours() -> None:
    with socket.socket() as ours, serving("TCPServer") as (server, _):
        os.set_inheritable(ours.fileno(), True)
        found = {
            os.readlink(f"/proc/{server.pid}/fd/{fd}")
            for fd in os.listdir(f"/proc/{server.pid}/fd")
        }
        assert os.readlink(f"/proc/self/fd/{ours.fileno()}") not in found
