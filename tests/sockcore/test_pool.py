"""PoolMixIn: bounded, reused threads; what waits, what is refused, what is parked."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import sockcore
from sockcore import BackgroundServer, ConnectionRefused, RequestFinished
from tests.sockcore.watching import LOOPBACK, Heard
from tests.waiting import equal, eventually


class Line(sockcore.StreamRequestHandler):
    """Answers each line with the name of its thread."""

    def handle(self) -> None:
        for _line in self.rfile:
            self.wfile.write(f"{threading.current_thread().name}\n".encode())


class Small(sockcore.PoolTCPServer):
    max_threads = 4
    max_queue = 2


@contextlib.contextmanager
def serving(
    server_class: type[sockcore.TCPServer] = Small, handler: Any = Line
) -> Iterator[tuple[BackgroundServer, Heard]]:
    heard = Heard()
    with BackgroundServer(lambda: server_class(LOOPBACK, handler), sink=heard) as server:
        yield server, heard


@contextlib.contextmanager
def connected(server: BackgroundServer) -> Iterator[socket.socket]:
    with socket.create_connection(server.address, timeout=20) as client:
        yield client


def ask(client: socket.socket) -> bytes:
    client.sendall(b"?\n")
    return client.recv(100)


def test_threads_are_reused() -> None:
    with serving() as (server, heard):
        names = set()
        for _ in range(50):
            with connected(server) as client:
                names.add(ask(client))
        assert len(names) <= 4
        assert all(name.startswith(b"pool-") for name in names)
        assert len(heard.wait_for(RequestFinished, 50)) == 50


def test_it_grows_to_its_limit_and_no_further() -> None:
    with serving() as (server, _), contextlib.ExitStack() as clients:
        names = [ask(clients.enter_context(connected(server))) for _ in range(4)]
        assert len(set(names)) == 4
        fifth = clients.enter_context(connected(server))
        fifth.sendall(b"?\n")
        equal(lambda: server.totals().connections, 5)
        fifth.settimeout(0.2)
        with pytest.raises(TimeoutError):
            fifth.recv(1)


def test_a_queued_connection_gets_the_next_free_thread() -> None:
    with serving() as (server, _), contextlib.ExitStack() as clients:
        held = [clients.enter_context(connected(server)) for _ in range(4)]
        for client in held:
            ask(client)
        fifth = clients.enter_context(connected(server))
        fifth.sendall(b"?\n")
        held[2].close()
        assert fifth.recv(100).startswith(b"pool-")


def test_beyond_the_queue_connections_are_refused_and_counted() -> None:
    with serving() as (server, heard), contextlib.ExitStack() as clients:
        for _ in range(4):
            ask(clients.enter_context(connected(server)))
        for count in (5, 6):
            clients.enter_context(connected(server)).sendall(b"?\n")
            expected = count
            equal(lambda: server.totals().connections, expected)
        # Each of them has spoken before the next one comes, so the queue holds both.
        refused = clients.enter_context(connected(server))
        refused.sendall(b"?\n")
        with contextlib.suppress(ConnectionResetError):
            assert refused.recv(1) == b""
        (told,) = heard.wait_for(ConnectionRefused)
        assert "4 threads are busy" in told.reason
        assert server.totals().refused_total == 1
        assert server.totals().requests_total == 6


def test_free_threads_that_are_not_awake_yet_do_not_lengthen_the_queue() -> None:
    class Two(Small):
        max_threads = 2

    with serving(Two) as (server, heard), contextlib.ExitStack() as stack:
        inner: Any = server._server
        pool = eventually(lambda: inner._pool)
        equal(lambda: pool._idle, 2)
        pool._tickets.wake = lambda: None  # so that nobody hears of what is queued
        clients = []
        for _ in range(9):
            ours, theirs = socket.socketpair()
            ours.settimeout(20)
            clients.append(stack.enter_context(ours))
            pool.put(inner._observer.accepted(theirs, None), None)
        # Two for the two threads, two that wait.
        assert [client.recv(1) for client in clients[4:]] == [b""] * 5
        assert server.totals().refused_total == 5
        assert len(heard.wait_for(ConnectionRefused, 5)) == 5
        assert len(pool._queue) == 4


def test_silent_connections_do_not_take_every_thread() -> None:
    with serving() as (server, _), contextlib.ExitStack() as clients:
        silent = [clients.enter_context(connected(server)) for _ in range(20)]
        equal(lambda: server.totals().connections, 20)
        assert ask(clients.enter_context(connected(server))).startswith(b"pool-")
        assert ask(silent[-1]).startswith(b"pool-")


def test_patience_does_not_get_the_silent_more_than_half() -> None:
    with serving() as (server, _), contextlib.ExitStack() as clients:
        with contextlib.ExitStack() as speaking:
            for _ in range(3):
                ask(speaking.enter_context(connected(server)))
            silent = [clients.enter_context(connected(server)) for _ in range(20)]
            equal(lambda: server.totals().connections, 23)
        equal(lambda: sum(one.thread is not None for one in server.connections()), 2)
        assert ask(clients.enter_context(connected(server))).startswith(b"pool-")
        assert ask(silent[-1]).startswith(b"pool-")


def test_silent_connections_in_the_queue_count_as_threads_taken() -> None:
    """The serving thread accepts when all are busy: the silent ones it has are parked too."""
    with serving() as (server, _), contextlib.ExitStack() as clients:
        with contextlib.ExitStack() as speaking:
            for _ in range(4):
                ask(speaking.enter_context(connected(server)))
            clients.enter_context(connected(server))
            equal(lambda: server.totals().connections, 5)
            assert all(one.thread is None for one in server.connections() if one.id == 5)
            assert server.totals().refused_total == 0
            for _ in range(10):  # more than may be queued
                clients.enter_context(connected(server))
            equal(lambda: server.totals().connections, 15)
        assert ask(clients.enter_context(connected(server))).startswith(b"pool-")
        assert server.totals().refused_total == 0


def test_a_parked_connection_is_heard_when_the_peer_ends() -> None:
    with serving() as (server, heard), contextlib.ExitStack() as clients:
        silent = [clients.enter_context(connected(server)) for _ in range(6)]
        equal(lambda: server.totals().connections, 6)
        silent[-1].close()
        assert heard.wait_for(RequestFinished)[0].outcome == "ok"


def test_who_is_queued_or_parked_at_a_stop_is_told_as_stopped() -> None:
    heard = Heard()
    server = BackgroundServer(lambda: Small(LOOPBACK, Line), sink=heard).start()
    with contextlib.ExitStack() as clients:
        for _ in range(6):
            clients.enter_context(connected(server))
        equal(lambda: server.totals().connections, 6)
        assert server.stop(5) == 0
        ends = heard.wait_for(RequestFinished, 6)
    assert {end.outcome for end in ends} == {"stopped"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_handler_that_ends_its_thread_does_not_shrink_the_pool() -> None:
    class Ending(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            if self.request.recv(1) == b"x":
                raise SystemExit
            self.request.sendall(b"ok")

    with serving(handler=Ending) as (server, _):
        for _ in range(10):
            with connected(server) as client:
                client.sendall(b"x")
                assert client.recv(1) == b""
        with connected(server) as client:
            client.sendall(b"-")
            assert client.recv(2) == b"ok"


def test_idle_threads_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from sockcore.loop import SharedWait

    monkeypatch.setattr(SharedWait, "longest_s", 0.05)
    with serving() as (server, _):
        inner: Any = server._server
        with contextlib.ExitStack() as clients:
            for _ in range(4):
                ask(clients.enter_context(connected(server)))
            assert inner._pool._threads == 4
        equal(lambda: inner._pool._threads, 2)  # those that are kept
        with connected(server) as client:
            assert ask(client).startswith(b"pool-")


def test_two_that_end_at_once_leave_enough() -> None:
    """As when two see at the same time that there is one more than is kept."""
    with serving() as (server, _):
        inner: Any = server._server
        eventually(lambda: inner._pool is not None and inner._pool._threads == 2)
        pool = inner._pool
        pool._threads += 1
        try:
            with ThreadPoolExecutor(8) as askers:
                start = threading.Barrier(8)

                def ask_once(_number: int) -> bool:
                    start.wait(20)
                    return bool(pool._is_spare())

                assert sum(askers.map(ask_once, range(8))) == 1
        finally:
            pool._threads -= 1
            pool._going.clear()


def test_server_close_waits_for_requests_at_work() -> None:
    entered, leave = threading.Event(), threading.Event()
    done = []

    class Slow(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            entered.set()
            leave.wait(20)
            done.append(1)

    server = sockcore.PoolTCPServer(LOOPBACK, Slow)
    loop = threading.Thread(target=server.serve_forever, daemon=True)
    loop.start()
    with socket.create_connection(server.server_address):
        assert entered.wait(20)
        server.shutdown()
        threading.Timer(0.05, leave.set).start()
        server.server_close()
    assert done == [1]
    loop.join(20)


def test_the_listener_is_as_it_was_after_serving() -> None:
    with sockcore.PoolTCPServer(LOOPBACK, Line) as server:
        server.socket.settimeout(7)
        loop = threading.Thread(target=server.serve_forever)
        loop.start()
        server.shutdown()
        loop.join(20)
        assert server.socket.gettimeout() == 7


def test_outside_the_loop_each_request_has_a_thread() -> None:
    with (
        sockcore.PoolTCPServer(LOOPBACK, Line) as server,
        socket.create_connection(server.server_address, timeout=20) as client,
    ):
        server.handle_request()
        assert b"process_request_thread" in ask(client)


def test_it_serves_again_after_shutdown() -> None:
    with Small(LOOPBACK, Line) as server:
        for _ in range(3):
            loop = threading.Thread(target=server.serve_forever)
            loop.start()
            with socket.create_connection(server.server_address, timeout=20) as client:
                assert ask(client).startswith(b"pool-")
            server.shutdown()
            loop.join(20)
            assert not loop.is_alive()
