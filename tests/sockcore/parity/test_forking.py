"""ForkingMixIn: what runs in the parent, what in the child, and how a child ends."""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import atexit
import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.sockcore.failing import STEPS, Failure, OtherFailure, failing
from tests.sockcore.forking import (
    LOOPBACK,
    Notes,
    answering,
    connected,
    end_of_child,
    latch,
)
from tests.sockcore.serving import ask_once, connect, datagrams, read_all, traced, traced_handler

ROOT = Path(__file__).parents[3]


@pytest.fixture
def notes(tmp_path: Path) -> Notes:
    return Notes(tmp_path / "notes")


def _one_request(api: Any, notes: Notes, handler: Any) -> Any:
    """A traced server that has forked for one request, whose client has seen its end."""
    server = traced(api.ForkingTCPServer, notes)(LOOPBACK, handler)
    with connect(server.server_address) as client:
        server.handle_request()
        assert read_all(client) == b""
    return server


def test_parent_forks_and_closes_and_child_answers(api: Any, notes: Notes) -> None:
    with _one_request(api, notes, traced_handler(api.BaseRequestHandler, notes)):
        pass
    assert notes.of("parent") == [
        *("server_bind", "server_activate", "get_request", "verify_request"),
        *("process_request", "close_request", "server_close"),
    ]
    assert notes.of("child") == [
        *("finish_request", "setup", "handle", "finish"),
        *("shutdown_request", "close_request"),
    ]


@pytest.mark.parametrize(("step", "ran"), STEPS.items())
def test_failing_handler_is_told_of_in_the_child(
    api: Any, notes: Notes, step: str, ran: list[str]
) -> None:
    class Handler(failing(api, notes, step, Failure)):  # type: ignore[misc]
        pass

    base = api.ForkingTCPServer
    api_server = type("Quiet", (base,), {"handle_error": lambda self, request, address: None})
    server = traced(api_server, notes)(LOOPBACK, Handler)
    with server, connect(server.server_address) as client:
        server.handle_request()
        assert read_all(client) == b""
        assert end_of_child(server) == 1
    assert notes.of("child") == [
        *("finish_request", *ran),
        *("handle_error", "shutdown_request", "close_request"),
    ]
    assert "handle_error" not in notes.of("parent")


@pytest.mark.parametrize("failure", [SystemExit, KeyboardInterrupt])
def test_exit_in_a_child_ends_only_the_child(
    api: Any, notes: Notes, failure: type[BaseException]
) -> None:
    with _one_request(api, notes, failing(api, notes, "handle", failure)) as server:
        assert end_of_child(server) == 1
    assert "handle_error" not in notes.of("child")
    assert notes.of("child")[-2:] == ["shutdown_request", "close_request"]


def test_failing_handle_error_in_a_child_still_shuts_the_request(api: Any, notes: Notes) -> None:
    class Server(api.ForkingTCPServer):
        def handle_error(self, request: Any, client_address: Any) -> NoReturn:
            raise OtherFailure

    server = traced(Server, notes)(LOOPBACK, failing(api, notes, "handle", Failure))
    with server, connect(server.server_address) as client:
        server.handle_request()
        assert read_all(client) == b""
        assert end_of_child(server) == 1
    assert notes.of("child")[-2:] == ["shutdown_request", "close_request"]


def test_child_that_answered_exits_with_zero(api: Any) -> None:
    with api.ForkingTCPServer(LOOPBACK, api.BaseRequestHandler) as server:
        assert ask_once(server) == b""
        assert end_of_child(server) == 0


def test_child_is_another_process_and_changes_nothing_here(api: Any) -> None:
    state = ["as it was"]

    def answer() -> bytes:
        state.append("changed")
        return str(os.getppid()).encode()

    with api.ForkingTCPServer(LOOPBACK, answering(api, answer)) as server:
        assert ask_once(server) == str(os.getpid()).encode()
    assert state == ["as it was"]


def test_child_runs_no_exit_functions_and_flushes_nothing(
    api: Any, notes: Notes, tmp_path: Path
) -> None:
    path = tmp_path / "buffered"
    with path.open("w") as buffered:
        buffered.write("once ")

        def answer() -> bytes:
            atexit.register(notes.note, "exit function")
            return b""

        with api.ForkingTCPServer(LOOPBACK, answering(api, answer)) as server:
            ask_once(server)
            assert end_of_child(server) == 0
    assert path.read_text() == "once "
    assert notes.lines == []


def test_children_are_known_from_the_first_request_on(api: Any) -> None:
    with (
        latch() as held,
        api.ForkingTCPServer(LOOPBACK, answering(api, lambda: held.wait())) as server,
        connected(server, 3) as clients,
    ):
        assert server.active_children is None
        server.collect_children()
        assert server.active_children is None
        for _ in clients:
            server.handle_request()
        assert isinstance(server.active_children, set)
        assert len(server.active_children) == 3
        assert api.ForkingMixIn.active_children is None
        held.let_go()


def test_fork_that_fails_is_told_of_and_serving_goes_on(
    api: Any, notes: Notes, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int | None] = []

    class Server(api.ForkingTCPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            error = sys.exc_info()[1]
            assert isinstance(error, OSError)
            told.append(error.errno)

    def fork() -> NoReturn:
        raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")

    server = traced(Server, notes)(LOOPBACK, answering(api, lambda: b"here"))
    with server, connected(server, 2) as (first, second):
        with monkeypatch.context() as patched:
            patched.setattr(os, "fork", fork)
            server.handle_request()
        assert read_all(first) == b""
        assert told == [errno.EAGAIN]
        assert notes.of("parent")[-3:] == ["handle_error", "shutdown_request", "close_request"]
        assert not server.active_children
        server.handle_request()
        assert read_all(second) == b"here"


def test_failing_close_in_the_parent_is_told_of_there(api: Any, notes: Notes) -> None:
    parent = os.getpid()

    class Server(api.ForkingTCPServer):
        failed = False

        def close_request(self, request: Any) -> None:
            if os.getpid() == parent and not self.failed:
                self.failed = True
                raise Failure
            super().close_request(request)

        def handle_error(self, request: Any, client_address: Any) -> None:
            notes.note(type(sys.exc_info()[1]).__name__)

    # A handler that does nothing: the parent, having failed, hangs up on the client itself.
    with Server(LOOPBACK, api.BaseRequestHandler) as server:
        assert ask_once(server) == b""
    assert notes.lines == ["parent Failure"]


def test_datagram_is_answered_by_its_child(api: Any) -> None:
    class Shout(api.DatagramRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.rfile.read().upper())

    with api.ForkingUDPServer(LOOPBACK, Shout) as server, datagrams(LOOPBACK) as client:
        for word in (b"one", b"two"):
            client.sendto(word, server.server_address)
            server.handle_request()
            assert client.recv(16) == word.upper()


def test_local_sockets_are_served_too(api: Any, socket_dir: Path) -> None:
    if not hasattr(api, "ForkingUnixStreamServer"):
        pytest.skip("the stdlib has it from 3.12 on")

    class Echo(api.DatagramRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.packet)

    path = str(socket_dir / "stream")
    stream = api.ForkingUnixStreamServer(path, answering(api, lambda: b"stream"))
    with stream, connected(stream, 1) as (client,):
        stream.handle_request()
        assert read_all(client) == b"stream"
    path = str(socket_dir / "datagram")
    with (
        api.ForkingUnixDatagramServer(path, Echo) as server,
        datagrams(str(socket_dir / "client"), server.address_family) as client,
    ):
        client.sendto(b"datagram", path)
        server.handle_request()
        assert client.recv(16) == b"datagram"


THREADED = """
import os, socket, sys, threading
import {module} as api

class Answer(api.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"answered")

class Server(api.ForkingTCPServer):
    def handle_error(self, request, address):
        print("handle_error", sys.exc_info()[1])

done = threading.Event()
threading.Thread(target=done.wait).start()
with Server(("127.0.0.1", 0), Answer) as server:
    with socket.create_connection(server.server_address, 20) as client:
        server.handle_request()
        print(client.recv(99).decode(), len(server.active_children))
done.set()
"""


def test_fork_beside_threads_answers_with_warnings_as_errors(api: Any) -> None:
    """From 3.12 on os.fork() warns there; it does not fail of it, whatever the filter."""
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", THREADED.format(module=api.__name__)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=50,
    )
    assert (ran.returncode, ran.stdout) == (0, "answered 1\n")
