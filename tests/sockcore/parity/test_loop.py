"""serve_forever and handle_request: turns, beats, what is polled, who runs the hooks."""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import os
import signal
import socket
import threading
from typing import Any

import pytest

from tests.sockcore.serving import (
    POLL_S,
    Trace,
    ask,
    connect,
    in_thread,
    join,
    read_all,
    running,
    traced,
    wait_until,
)

LOOPBACK = ("127.0.0.1", 0)


class HookFailed(Exception):
    """What a test's hook raises."""


def _echo(api: Any) -> Any:
    class Echo(api.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.rfile.read())

    return Echo


def _ticking(base: Any, turns: int, trace: Trace) -> Any:
    """A traced subclass of `base` whose loop ends itself after so many turns."""

    class Ticking(traced(base, trace)):  # type: ignore[misc]
        def service_actions(self) -> None:
            super().service_actions()
            if trace.names.count("service_actions") == turns:
                self._BaseServer__shutdown_request = True

    return Ticking


@pytest.mark.parametrize("name", ["TCPServer", "ThreadingTCPServer"])
def test_serves_one_client_after_another(api: Any, name: str) -> None:
    with running(getattr(api, name)(("127.0.0.1", 0), _echo(api))) as server:
        for text in (b"", b"one", b"two" * 50_000):
            assert ask(server.server_address, text) == text


def test_service_actions_beats_without_traffic(api: Any) -> None:
    trace = Trace()
    with _ticking(api.TCPServer, 3, trace)(LOOPBACK, None) as server:
        server.serve_forever(poll_interval=POLL_S)
    assert trace.names[2:-1] == ["service_actions"] * 3


def test_one_request_a_turn_and_service_actions_after_each(api: Any) -> None:
    trace = Trace()
    with _ticking(api.TCPServer, 3, trace)(LOOPBACK, api.BaseRequestHandler) as server:
        clients = [connect(server.server_address) for _ in range(3)]
        trace.names.clear()
        server.serve_forever(POLL_S)
        assert [n for n in trace.names if n in ("get_request", "service_actions")] == [
            "get_request",
            "service_actions",
        ] * 3
        for client in clients:
            with client:
                assert read_all(client) == b""


def test_hooks_run_in_the_serving_thread(api: Any) -> None:
    trace = Trace()
    server = traced(api.TCPServer, trace)(LOOPBACK, _echo(api))
    trace.threads.clear()
    with in_thread(server.serve_forever, POLL_S) as thread:
        ask(server.server_address)
        server.shutdown()
    server.server_close()
    assert trace.threads.pop("server_close") == threading.get_ident()
    assert set(trace.threads.values()) == {thread.ident}
    assert {"get_request", "verify_request", "close_request"} <= set(trace.threads)


@pytest.mark.parametrize("poll_interval", [None, 0, 0.0])
def test_any_poll_interval_select_takes_is_legal(api: Any, poll_interval: float | None) -> None:
    trace = Trace()
    server = _ticking(api.TCPServer, 1, trace)(LOOPBACK, api.BaseRequestHandler)
    with server, connect(server.server_address) as client:
        server.serve_forever(poll_interval)
        if poll_interval is None:
            assert read_all(client) == b""
    assert "service_actions" in trace.names


def test_serving_ignores_the_timeout_of_handle_request(api: Any) -> None:
    trace = Trace()
    with _ticking(api.TCPServer, 3, trace)(LOOPBACK, None) as server:
        server.timeout = 0.0
        server.serve_forever(POLL_S)
    assert "handle_timeout" not in trace.names


def test_the_server_is_polled_and_not_its_socket(api: Any) -> None:
    """A server over a pipe: no socket at all, a fileno and a get_request of its own."""
    answered = []

    class PipeServer(api.BaseServer):
        def fileno(self) -> int:
            return readable

        def get_request(self) -> tuple[bytes, str]:
            return os.read(readable, 64), "writer"

        def finish_request(self, request: bytes, client_address: str) -> None:
            answered.append((request, client_address))

    readable, writable = os.pipe()
    try:
        with running(PipeServer("pipe", None)):
            os.write(writable, b"through")
            wait_until(lambda: answered, "an answer")
    finally:
        os.close(readable)
        os.close(writable)
    assert answered == [(b"through", "writer")]


@pytest.mark.parametrize("hook", ["service_actions", "verify_request", "handle_error"])
@pytest.mark.parametrize("failure", [HookFailed, KeyboardInterrupt, SystemExit])
def test_failing_hook_ends_the_loop_and_shutdown_returns(
    api: Any, hook: str, failure: type[BaseException]
) -> None:
    def fail(*_: object) -> None:
        raise failure

    accepted: list[socket.socket] = []

    def process(request: socket.socket, _: object) -> None:
        raise HookFailed

    class Server(api.TCPServer):
        def get_request(self) -> tuple[socket.socket, Any]:
            request, address = super().get_request()
            accepted.append(request)
            return request, address

    with Server(LOOPBACK, None) as server, connect(server.server_address):
        server.process_request = process
        setattr(server, hook, fail)
        with pytest.raises(failure):
            server.serve_forever(POLL_S)
        assert server._BaseServer__is_shut_down.is_set()
        assert server._BaseServer__shutdown_request is False
        server.shutdown()
    for request in accepted:
        request.close()


def test_interrupt_from_the_keyboard_leaves_the_loop(api: Any) -> None:
    ticked = threading.Event()
    main = threading.get_ident()

    def interrupt() -> None:
        assert ticked.wait(20)
        signal.pthread_kill(main, signal.SIGINT)

    with api.TCPServer(LOOPBACK, _echo(api)) as server, in_thread(interrupt):
        server.service_actions = ticked.set
        with pytest.raises(KeyboardInterrupt):
            server.serve_forever(POLL_S)
        assert server._BaseServer__is_shut_down.is_set()
        server.shutdown()


def test_interrupted_server_can_serve_again(api: Any) -> None:
    def interrupt() -> None:
        del server.service_actions
        raise KeyboardInterrupt

    server = api.TCPServer(LOOPBACK, _echo(api))
    server.service_actions = interrupt
    with pytest.raises(KeyboardInterrupt):
        server.serve_forever(POLL_S)
    with running(server):
        assert ask(server.server_address, b"again") == b"again"


def test_handle_request_serves_one_and_returns_none(api: Any) -> None:
    trace = Trace()
    with (
        traced(api.TCPServer, trace)(LOOPBACK, api.BaseRequestHandler) as server,
        connect(server.server_address),
        connect(server.server_address),
    ):
        assert server.handle_request() is None
        assert trace.names.count("get_request") == 1
        assert server.handle_request() is None
        assert trace.names.count("get_request") == 2
    assert "service_actions" not in trace.names
    assert "handle_timeout" not in trace.names


def test_handle_request_waits_for_a_client(api: Any) -> None:
    with (
        api.TCPServer(LOOPBACK, _echo(api)) as server,
        in_thread(server.handle_request),
    ):
        assert ask(server.server_address, b"late") == b"late"


@pytest.mark.parametrize(
    ("on_socket", "on_server"), [(None, 0), (0.0, None), (3600.0, 0.0), (0.0, 3600.0)]
)
def test_handle_request_expires_at_the_shorter_timeout(
    api: Any, on_socket: float | None, on_server: float | None
) -> None:
    with api.TCPServer(LOOPBACK, None) as server:
        server.socket.settimeout(on_socket)
        server.timeout = on_server
        server.handle_timeout = lambda: "expired"
        assert server.handle_request() == "expired"


def test_handle_request_reads_the_timeout_of_the_class(api: Any) -> None:
    expired = []

    class Server(api.TCPServer):
        timeout = POLL_S

        def handle_timeout(self) -> None:
            expired.append(True)

    with Server(LOOPBACK, None) as server:
        assert server.handle_request() is None
    assert expired == [True]


def test_handle_request_serves_the_one_who_waits_though_timeout_is_zero(api: Any) -> None:
    trace = Trace()
    with traced(api.TCPServer, trace)(LOOPBACK, api.BaseRequestHandler) as server:
        server.timeout = 0
        with connect(server.server_address) as client:
            server.handle_request()
            assert read_all(client) == b""
    assert "handle_timeout" not in trace.names


def test_sockets_and_threads_are_looked_up_when_needed(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What monkey-patching libraries replace in the modules is used, not a copy kept at import."""
    made: list[str] = []

    class PatchedSocket(socket.socket):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            made.append("socket")
            super().__init__(*args, **kwargs)

    class PatchedEvent(threading.Event):
        def __init__(self) -> None:
            made.append("event")
            super().__init__()

    monkeypatch.setattr(socket, "socket", PatchedSocket)
    monkeypatch.setattr(threading, "Event", PatchedEvent)
    with api.TCPServer(LOOPBACK, None) as server:
        assert type(server.socket) is PatchedSocket
        assert type(server._BaseServer__is_shut_down) is PatchedEvent
    assert {"socket", "event"} <= set(made)


def test_join_of_the_serving_thread_ends_after_shutdown(api: Any) -> None:
    with api.TCPServer(LOOPBACK, None) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        server.shutdown()
        join(thread)
