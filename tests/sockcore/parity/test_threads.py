"""ThreadingMixIn: a fresh thread for each request, who waits for whom at the end."""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import contextvars
import queue
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sockcore.serving import (
    DEADLINE_S,
    ask,
    connect,
    in_thread,
    join,
    read_all,
    running,
    wait_until,
)

LOOPBACK = ("127.0.0.1", 0)


class Blocked:
    """A handler's stop, and the release of all that stand there."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.released = threading.Event()

    def stop_here(self) -> None:
        self.entered.release()
        assert self.released.wait(DEADLINE_S)

    def wait_for(self, handlers: int) -> None:
        for _ in range(handlers):
            assert self.entered.acquire(timeout=DEADLINE_S)


@pytest.fixture
def blocked() -> Iterator[Blocked]:
    blocked = Blocked()
    yield blocked
    blocked.released.set()


def _blocking(api: Any, blocked: Blocked) -> Any:
    class Blocking(api.BaseRequestHandler):
        def handle(self) -> None:
            blocked.stop_here()
            self.request.sendall(b"released")

    return Blocking


def _noting_threads(api: Any, note: Callable[[threading.Thread], None]) -> Any:
    class Noting(api.BaseRequestHandler):
        def handle(self) -> None:
            note(threading.current_thread())

    return Noting


def test_each_request_has_a_fresh_thread(api: Any) -> None:
    seen: list[threading.Thread] = []
    with running(api.ThreadingTCPServer(LOOPBACK, _noting_threads(api, seen.append))) as server:
        for _ in range(5):
            ask(server.server_address)
    assert len({id(thread) for thread in seen}) == 5
    assert all(re.fullmatch(r"Thread-\d+ \(process_request_thread\)", t.name) for t in seen)


def test_thread_locals_and_context_start_empty(api: Any) -> None:
    local = threading.local()
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="empty")
    seen: list[tuple[object, str]] = []

    class Noting(api.BaseRequestHandler):
        def handle(self) -> None:
            seen.append((getattr(local, "value", "empty"), variable.get()))
            local.value = "set"
            variable.set("set")

    with api.ThreadingTCPServer(LOOPBACK, Noting) as server:
        local.value = "of the caller"
        token = variable.set("of the caller")
        for _ in range(3):
            with connect(server.server_address) as client:
                server.handle_request()
                assert read_all(client) == b""
        variable.reset(token)
    assert seen == [("empty", "empty")] * 3


@pytest.mark.parametrize("daemon_threads", [False, True])
@pytest.mark.parametrize("daemon_parent", [False, True])
def test_daemon_flag_is_the_servers_and_not_the_parents(
    api: Any, daemon_threads: bool, daemon_parent: bool
) -> None:
    seen: list[threading.Thread] = []
    with api.ThreadingTCPServer(LOOPBACK, _noting_threads(api, seen.append)) as server:
        server.daemon_threads = daemon_threads
        with connect(server.server_address) as client:
            parent = threading.Thread(target=server.handle_request, daemon=daemon_parent)
            parent.start()
            assert read_all(client) == b""
            parent.join()
    assert [thread.daemon for thread in seen] == [daemon_threads]


def test_sixty_handlers_may_wait_for_one_another(api: Any) -> None:
    barrier = threading.Barrier(60, timeout=DEADLINE_S)

    class Meeting(api.BaseRequestHandler):
        def handle(self) -> None:
            barrier.wait()
            self.request.sendall(b"met")

    class Server(api.ThreadingTCPServer):
        request_queue_size = 60

    with running(Server(LOOPBACK, Meeting)) as server:
        clients = [connect(server.server_address) for _ in range(60)]
        for client in clients:
            with client:
                assert read_all(client) == b"met"


def test_slow_handler_does_not_hold_the_others(api: Any, blocked: Blocked) -> None:
    class Slow(api.StreamRequestHandler):
        def handle(self) -> None:
            if self.rfile.read() == b"slow":
                blocked.stop_here()
            self.wfile.write(b"answer")

    with (
        running(api.ThreadingTCPServer(LOOPBACK, Slow)) as server,
        connect(server.server_address) as slow,
    ):
        slow.sendall(b"slow")
        slow.shutdown(1)
        blocked.wait_for(1)
        assert ask(server.server_address, b"quick") == b"answer"
        blocked.released.set()
        assert read_all(slow) == b"answer"


def test_closing_closes_the_listener_and_then_waits(api: Any, blocked: Blocked) -> None:
    server = api.ThreadingTCPServer(LOOPBACK, _blocking(api, blocked))
    with connect(server.server_address) as client:
        server.handle_request()
        blocked.wait_for(1)
        with in_thread(server.server_close) as closer:
            wait_until(lambda: server.socket.fileno() == -1, "the listener closed")
            assert closer.is_alive()
            blocked.released.set()
        assert read_all(client) == b"released"


def test_closing_waits_for_threads_that_live(api: Any, blocked: Blocked) -> None:
    server = api.ThreadingTCPServer(LOOPBACK, _blocking(api, blocked))
    clients = [connect(server.server_address) for _ in range(3)]
    for _ in clients:
        server.handle_request()
    blocked.wait_for(3)
    assert len(server._threads) == 3
    blocked.released.set()
    server.server_close()
    assert len(server._threads) == 0
    for client in clients:
        with client:
            assert read_all(client) == b"released"


def test_closing_does_not_wait_for_daemon_threads(api: Any, blocked: Blocked) -> None:
    server = api.ThreadingTCPServer(LOOPBACK, _blocking(api, blocked))
    server.daemon_threads = True
    with connect(server.server_address) as client:
        server.handle_request()
        blocked.wait_for(1)
        assert len(server._threads) == 0
        server.server_close()
        blocked.released.set()
        assert read_all(client) == b"released"


def test_closing_does_not_wait_when_told_so(api: Any, blocked: Blocked) -> None:
    server = api.ThreadingTCPServer(LOOPBACK, _blocking(api, blocked))
    server.block_on_close = False
    with connect(server.server_address) as client:
        server.handle_request()
        blocked.wait_for(1)
        assert server._threads is api.ThreadingMixIn._threads
        server.server_close()
        blocked.released.set()
        assert read_all(client) == b"released"


def test_threads_are_kept_by_the_instance_made_when_needed(api: Any) -> None:
    with api.ThreadingTCPServer(LOOPBACK, api.BaseRequestHandler) as server:
        assert "_threads" not in vars(server)
        with connect(server.server_address) as client:
            server.handle_request()
            assert read_all(client) == b""
        assert vars(server)["_threads"] is server._threads
    assert "_threads" not in vars(api.ThreadingTCPServer)


def test_finished_threads_do_not_gather(api: Any) -> None:
    seen: queue.Queue[threading.Thread] = queue.Queue()
    with running(api.ThreadingTCPServer(LOOPBACK, _noting_threads(api, seen.put))) as server:
        for _ in range(20):
            ask(server.server_address)
            join(seen.get(timeout=DEADLINE_S))
            assert len(server._threads) <= 1


def test_finished_threads_do_not_gather_after_a_burst(api: Any, blocked: Blocked) -> None:
    """However many lived at once, their number is forgotten in the end."""
    seen: list[threading.Thread] = []

    class Burst(api.StreamRequestHandler):
        def handle(self) -> None:
            seen.append(threading.current_thread())
            if self.rfile.read():
                blocked.stop_here()

    class Server(api.ThreadingTCPServer):
        request_queue_size = 60

    with running(Server(LOOPBACK, Burst)) as server:
        clients = [connect(server.server_address) for _ in range(30)]
        for client in clients:
            client.sendall(b"wait")
            client.shutdown(1)
        blocked.wait_for(30)
        blocked.released.set()
        for client in clients:
            with client:
                assert read_all(client) == b""
        for thread in seen:
            join(thread)
        for _ in range(60):
            ask(server.server_address)
        assert len(server._threads) <= 30


def test_process_request_thread_may_be_overridden(api: Any) -> None:
    came: list[tuple[str, bool]] = []

    class Server(api.ThreadingTCPServer):
        def process_request_thread(self, request: Any, client_address: Any) -> None:
            came.append((client_address[0], threading.current_thread() is caller))
            super().process_request_thread(request, client_address)

    caller = threading.current_thread()
    with (
        Server(LOOPBACK, api.BaseRequestHandler) as server,
        connect(server.server_address) as client,
    ):
        server.handle_request()
        assert read_all(client) == b""
    assert came == [("127.0.0.1", False)]


def test_mixin_asks_no_more_of_a_server_than_the_hooks(api: Any) -> None:
    """It may stand before any class with the hooks: one of the stdlib's servers, or a double."""
    told: list[str] = []

    class Server(api.ThreadingMixIn, socketserver.TCPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            told.append(client_address[0])

    class Failing(api.BaseRequestHandler):
        def handle(self) -> None:
            raise ZeroDivisionError

    with running(Server(LOOPBACK, Failing)) as server:
        assert ask(server.server_address) == b""
    assert told == ["127.0.0.1"]


def test_server_of_threads_serves_again_after_its_close_was_waited_for(api: Any) -> None:
    with running(api.ThreadingTCPServer(LOOPBACK, api.BaseRequestHandler)) as server:
        ask(server.server_address)
        server._threads.join()
        assert len(server._threads) == 0
        assert ask(server.server_address) == b""
