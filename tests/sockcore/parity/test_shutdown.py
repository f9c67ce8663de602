"""shutdown(): who waits for whom, what it leaves alone, what comes after it."""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

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


def _echo(api: Any) -> Any:
    class Echo(api.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.rfile.read())

    return Echo


def test_before_serving_it_waits_and_the_loop_then_returns_at_once(api: Any) -> None:
    trace = Trace()
    with traced(api.TCPServer, trace)(LOOPBACK, api.BaseRequestHandler) as server:
        with connect(server.server_address), in_thread(server.shutdown) as stopper:
            wait_until(lambda: server._BaseServer__shutdown_request, "the request to stop")
            assert stopper.is_alive()
            server.serve_forever()
        assert not {"get_request", "service_actions"} & set(trace.names)


def test_server_serves_again_after_an_early_shutdown(api: Any) -> None:
    server = api.TCPServer(LOOPBACK, _echo(api))
    with in_thread(server.shutdown):
        server.serve_forever()
    with running(server):
        assert ask(server.server_address, b"again") == b"again"


def test_between_two_loops_it_is_kept_for_the_next(api: Any) -> None:
    """So that a loop which is just about to begin anew in another thread is stopped too."""
    with api.TCPServer(LOOPBACK, _echo(api)) as server:
        with in_thread(server.serve_forever):
            ask(server.server_address)
            server.shutdown()
        server.shutdown()
        server.serve_forever()  # returns at once, and forgets it
        with running(server):
            assert ask(server.server_address, b"served") == b"served"


def test_of_a_stopped_server_it_returns_at_once(api: Any) -> None:
    with running(api.TCPServer(LOOPBACK, _echo(api))) as server:
        ask(server.server_address)
        server.shutdown()
        server.shutdown()


def test_private_event_tells_whether_the_loop_runs(api: Any) -> None:
    server = api.TCPServer(LOOPBACK, _echo(api))
    stopped = server._BaseServer__is_shut_down
    with running(server):
        ask(server.server_address)
        assert not stopped.is_set()
        server.shutdown()
        assert stopped.is_set()
        assert server._BaseServer__shutdown_request is False
    assert server._BaseServer__is_shut_down is stopped


def test_private_flag_ends_the_loop_at_the_next_turn(api: Any) -> None:
    server = api.TCPServer(LOOPBACK, _echo(api))
    thread = threading.Thread(target=server.serve_forever, args=(POLL_S,))
    thread.start()
    ask(server.server_address)
    server._BaseServer__shutdown_request = True
    join(thread)
    assert server._BaseServer__shutdown_request is False
    server.server_close()


def test_private_flag_set_by_a_handler_ends_the_loop(api: Any) -> None:
    class Stopping(api.BaseRequestHandler):
        def handle(self) -> None:
            self.server._BaseServer__shutdown_request = True

    with api.TCPServer(LOOPBACK, Stopping) as server, connect(server.server_address):
        server.serve_forever(POLL_S)


def test_handler_of_a_threading_server_may_ask_for_it(api: Any) -> None:
    class Stopping(api.BaseRequestHandler):
        def handle(self) -> None:
            self.server.shutdown()
            self.request.sendall(b"stopped")

    with (
        api.ThreadingTCPServer(LOOPBACK, Stopping) as server,
        in_thread(server.serve_forever, POLL_S),
    ):
        assert ask(server.server_address) == b"stopped"


def test_several_threads_may_ask_for_it(api: Any) -> None:
    server = api.TCPServer(LOOPBACK, _echo(api))
    with in_thread(server.serve_forever, POLL_S):
        ask(server.server_address)
        stoppers = [threading.Thread(target=server.shutdown) for _ in range(8)]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            join(stopper)
    server.server_close()


def test_it_waits_for_the_handler_of_a_plain_server(api: Any) -> None:
    entered, released = threading.Event(), threading.Event()

    class Slow(api.BaseRequestHandler):
        def handle(self) -> None:
            entered.set()
            assert released.wait(20)
            self.request.sendall(b"done")

    with (
        running(api.TCPServer(LOOPBACK, Slow)) as server,
        connect(server.server_address) as client,
    ):
        assert entered.wait(20)
        with in_thread(server.shutdown) as stopper:
            wait_until(lambda: server._BaseServer__shutdown_request, "the request to stop")
            assert stopper.is_alive()
            released.set()
        assert read_all(client) == b"done"


def test_it_leaves_the_listener_open_and_clients_are_served_later(api: Any) -> None:
    server = api.TCPServer(LOOPBACK, _echo(api))
    with in_thread(server.serve_forever, POLL_S):
        ask(server.server_address)
        server.shutdown()
    with connect(server.server_address) as client:
        client.sendall(b"meanwhile")
        client.shutdown(1)
        with running(server):
            assert read_all(client) == b"meanwhile"


def test_handle_request_works_after_it(api: Any) -> None:
    server = api.TCPServer(LOOPBACK, _echo(api))
    with in_thread(server.serve_forever, POLL_S):
        ask(server.server_address)
        server.shutdown()
    with server, in_thread(server.handle_request):
        assert ask(server.server_address, b"one more") == b"one more"


@pytest.mark.parametrize("name", ["TCPServer", "ThreadingTCPServer"])
def test_a_client_who_comes_after_it_is_not_accepted(api: Any, name: str) -> None:
    trace = Trace()
    server = traced(getattr(api, name), trace)(LOOPBACK, _echo(api))
    with in_thread(server.serve_forever, 3600):
        ask(server.server_address)
        wait_until(lambda: "service_actions" in trace.names, "the end of the turn")
        server._BaseServer__shutdown_request = True
        client = connect(server.server_address)  # ends the wait, and is left in the queue
        assert server._BaseServer__is_shut_down.wait(20)
    assert trace.names.count("get_request") == 1
    with client:
        client.shutdown(1)
        server.handle_request()
        assert read_all(client) == b""
    server.server_close()


def test_serve_and_shutdown_race_without_loss(api: Any) -> None:
    """However a shutdown falls into the start of the loop, both return."""
    with api.TCPServer(LOOPBACK, _echo(api)) as server:
        for _ in range(20):
            server._BaseServer__is_shut_down.clear()
            with in_thread(server.serve_forever, POLL_S):
                server.shutdown()
