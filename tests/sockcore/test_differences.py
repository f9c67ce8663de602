"""Where sockcore differs from `socketserver` on purpose: sockcore alone.

Each test's first line says the difference; parity has all the rest.
"""

from __future__ import annotations

import resource
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sockcore
from tests.sockcore.serving import (
    DEADLINE_S,
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

#: Longer than any test may take: a loop that waits this long fails by its time limit.
FOREVER_S = 3600.0

pytestmark = pytest.mark.usefixtures("leaves_nothing")


class Echo(sockcore.StreamRequestHandler):
    def handle(self) -> None:
        self.wfile.write(self.rfile.read())


@pytest.mark.parametrize("poll_interval", [FOREVER_S, None])
@pytest.mark.parametrize("server_class", [sockcore.TCPServer, sockcore.ThreadingTCPServer])
def test_shutdown_does_not_wait_for_the_poll_interval(
    server_class: Any, poll_interval: float | None
) -> None:
    """shutdown() wakes the loop: it leaves without a turn, however long the interval."""
    trace = Trace()
    server = traced(server_class, trace)(LOOPBACK, Echo)
    with running(server, poll_interval):
        ask(server.server_address)
        wait_until(lambda: "service_actions" in trace.names, "the end of the turn")
        server.shutdown()
        assert trace.names.count("service_actions") == 1
        assert trace.names.count("get_request") == 1


def test_shutdown_of_a_datagram_server_is_immediate_too() -> None:
    """The wake-up is the loop's, not the transport's."""
    with running(sockcore.UDPServer(LOOPBACK, sockcore.DatagramRequestHandler), None) as server:
        server.shutdown()


def test_shutdown_in_a_handler_of_a_plain_server_asks_and_returns() -> None:
    """In the serving thread it sets the flag and returns; the stdlib waits for itself forever."""

    class Stopping(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            self.server.shutdown()
            self.request.sendall(b"stopping")

    server = sockcore.TCPServer(LOOPBACK, Stopping)
    with server, in_thread(server.serve_forever, FOREVER_S):
        assert ask(server.server_address) == b"stopping"


def test_shutdown_in_service_actions_asks_and_returns() -> None:
    """Any hook that runs in the serving thread may stop the loop."""
    with sockcore.TCPServer(LOOPBACK, Echo) as server:
        server.service_actions = server.shutdown  # type: ignore[method-assign]
        server.serve_forever(POLL_S)


def test_shutdown_in_a_signal_handler_of_the_serving_thread_asks_and_returns() -> None:
    """A program may stop on SIGTERM by shutdown(), served from its main thread."""
    main = threading.get_ident()
    with sockcore.TCPServer(LOOPBACK, Echo) as server:

        def stop() -> None:
            ask(server.server_address)
            signal.pthread_kill(main, signal.SIGUSR1)

        previous = signal.signal(signal.SIGUSR1, lambda *_: server.shutdown())
        try:
            with in_thread(stop):
                server.serve_forever(FOREVER_S)
        finally:
            signal.signal(signal.SIGUSR1, previous)


def test_shutdown_may_be_asked_for_any_number_of_times() -> None:
    """The wake-up takes no room: a thousand calls while one handler runs change nothing."""

    class Stopping(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            for _ in range(1000):
                self.server.shutdown()

    with sockcore.TCPServer(LOOPBACK, Stopping) as server, connect(server.server_address):
        server.serve_forever(FOREVER_S)


def test_backlog_is_as_long_as_the_system_allows() -> None:
    """The stdlib's backlog is 5 before 3.15: bursts meet resets and slow retries."""
    assert sockcore.TCPServer.request_queue_size == socket.SOMAXCONN


def test_reuse_port_is_not_asked_of_a_local_socket(socket_dir: Path) -> None:
    """Newer kernels refuse SO_REUSEPORT on AF_UNIX; there the flag does nothing."""

    class Server(sockcore.UnixStreamServer):
        allow_reuse_port = True

    with Server(str(socket_dir / "server"), Echo) as server:
        assert server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0


@pytest.mark.parametrize(
    ("family", "host"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
)
def test_reuse_port_is_asked_of_an_internet_socket(family: int, host: str) -> None:
    """The guard for local sockets lets both internet families through."""
    flags = {"address_family": family, "allow_reuse_port": True}
    server_class: Any = type("Server", (sockcore.TCPServer,), flags)
    with server_class((host, 0), None) as server:
        assert server.socket.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 1


def test_handler_of_a_threading_server_may_close_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """server_close() joins every thread but the caller's; the stdlib's raises RuntimeError."""
    entered, released = threading.Event(), threading.Event()

    class Closing(sockcore.StreamRequestHandler):
        def handle(self) -> None:
            if self.rfile.read():
                entered.set()
                assert released.wait(DEADLINE_S)
            else:
                self.server.server_close()
            self.wfile.write(b"done")

    server = sockcore.ThreadingTCPServer(LOOPBACK, Closing)
    with connect(server.server_address) as slow, connect(server.server_address) as closing:
        slow.sendall(b"wait")
        slow.shutdown(socket.SHUT_WR)
        server.handle_request()
        assert entered.wait(DEADLINE_S)
        closing.shutdown(socket.SHUT_WR)
        server.handle_request()
        wait_until(lambda: server.socket.fileno() == -1, "the listener closed")
        released.set()
        assert read_all(slow) == b"done"
        assert read_all(closing) == b"done"
    assert capsys.readouterr().err == ""


@pytest.fixture
def descriptors() -> Iterator[Any]:
    """Takes every descriptor the process may have; `give_back()` ends it, at the latest here."""

    class Descriptors:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        taken: list[socket.socket] = []

        def take_all(self) -> None:
            with socket.socket() as probe:
                lowest = probe.fileno()
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, self.limits[1]))

        def give_back(self) -> None:
            resource.setrlimit(resource.RLIMIT_NOFILE, self.limits)

    descriptors = Descriptors()
    yield descriptors
    descriptors.give_back()


def test_loop_that_cannot_begin_does_not_hold_shutdown(descriptors: Any) -> None:
    """The wake-up takes descriptors, which the stdlib's loop does not: without, it raises."""
    with sockcore.TCPServer(LOOPBACK, Echo) as server:
        descriptors.take_all()
        with pytest.raises(OSError, match="Too many open files"):
            server.serve_forever(POLL_S)
        descriptors.give_back()
        with in_thread(server.shutdown) as stopper:
            stopper.join(DEADLINE_S)
            stuck = stopper.is_alive()
            server._BaseServer__is_shut_down.set()  # type: ignore[attr-defined]
    assert not stuck


def test_serving_thread_is_forgotten_after_the_loop() -> None:
    """shutdown() in the thread that served once, and does not any more, is an ordinary one."""
    with sockcore.TCPServer(LOOPBACK, Echo) as server:
        server.service_actions = server.shutdown  # type: ignore[method-assign]
        server.serve_forever(POLL_S)
        del server.service_actions
        loop = threading.Thread(target=server.serve_forever, args=(FOREVER_S,), daemon=True)
        loop.start()
        ask(server.server_address)
        server.shutdown()
        assert not server._BaseServer__shutdown_request  # type: ignore[attr-defined]
        join(loop)
