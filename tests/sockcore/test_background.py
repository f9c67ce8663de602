"""Starting, failing, retrying, dying: the life of a background server."""

from __future__ import annotations

import errno
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import sockcore
from sockcore import (
    BackgroundServer,
    ConnectionOpened,
    Limits,
    RequestFinished,
    ServerState,
    StateError,
    Totals,
)
from tests.descriptors import count as descriptors_open
from tests.sockcore.serving import connect, in_thread, join, wait_until
from tests.sockcore.watching import (
    KINDS,
    LOOPBACK,
    NEVER_S,
    STREAMS,
    Echo,
    Heard,
    caller,
    factory,
    gate,
    question,
    watched,
)

pytestmark = pytest.mark.usefixtures("leaves_nothing")

each_kind = pytest.mark.parametrize("kind", KINDS)


def echo() -> sockcore.TCPServer:
    return sockcore.ThreadingTCPServer(LOOPBACK, Echo)


def ours() -> list[str]:
    """The names of the threads that sockcore runs."""
    names = [thread.name for thread in threading.enumerate()]
    return [n for n in names if n.startswith(("server:", "sockcore-"))]


@each_kind
def test_it_serves_stops_and_serves_again(kind: str, socket_dir: Path) -> None:
    heard = Heard()
    server = BackgroundServer(factory(kind, Echo, socket_dir), name=kind, sink=heard)
    for _ in range(3):
        assert server.start() is server
        assert question(server, kind, socket_dir, b"ping") == b"ping"
        assert server.stop(NEVER_S) == 0
    assert [n for n in heard.names if n.startswith("Server")] == [
        "ServerStarted",
        "ServerStopped",
    ] * 3


@each_kind
def test_what_it_shows(kind: str, socket_dir: Path) -> None:
    server = BackgroundServer(factory(kind, Echo, socket_dir), name="hall")
    nothing: tuple[Any, ...] = (None, None, None, None, [], ServerState.STOPPED)
    assert shown(server) == nothing
    assert server.totals() == Totals()
    assert not server.disconnect(1)
    with server:
        assert server.state is ServerState.RUNNING
        assert server.error is None
        assert server.fileno is not None
        with socket.socket(fileno=os.dup(server.fileno)) as listener:
            assert listener.getsockname() == server.address
        assert server.started_us is not None
        assert any(thread.name == "server:hall" for thread in threading.enumerate())
    assert shown(server) == nothing


def shown(server: BackgroundServer) -> tuple[Any, ...]:
    return (
        *(server.address, server.fileno, server.started_us, server.error),
        *(server.connections(), server.state),
    )


@pytest.mark.parametrize("kind", STREAMS)
def test_it_listens_when_start_returns_and_refuses_when_stop_does(
    kind: str, socket_dir: Path
) -> None:
    with watched(factory(kind, Echo, socket_dir)) as w:
        address = w.server.address
        family = socket.AF_INET if kind.startswith("tcp") else socket.AF_UNIX
        connect(address, family).close()
        w.server.stop(NEVER_S)
        with pytest.raises(ConnectionRefusedError):
            connect(address, family)


@pytest.mark.parametrize("kind", ["tcp-threading", "tcp-single", "udp-threading", "udp-single"])
def test_it_starts_again_at_once_at_the_same_port(kind: str, socket_dir: Path) -> None:
    places = [LOOPBACK]
    chosen = type("Reusing", (KINDS[kind],), {"allow_reuse_address": True})
    server = BackgroundServer(lambda: chosen(places[-1], Echo))
    for _ in range(5):
        with server:
            places.append(server.address)
            assert question(server, kind, socket_dir, b"x") == b"x"
            server.stop(NEVER_S)  # our side ends first, which leaves TIME_WAIT behind
    assert len(set(places[1:])) == 1


@each_kind
def test_start_that_fails_says_why_and_can_be_retried(kind: str, socket_dir: Path) -> None:
    heard = Heard()
    with BackgroundServer(factory(kind, Echo, socket_dir)) as occupant:
        place = [occupant.address]
        server = BackgroundServer(lambda: KINDS[kind](place[0], Echo), sink=heard)
        for _ in range(20):  # a leak would show
            with pytest.raises(OSError, match="already in use") as caught:
                server.start()
        assert caught.value.errno == errno.EADDRINUSE
        assert server.state is ServerState.FAILED
        assert server.error == f"OSError: {caught.value}"
        assert (server.address, server.fileno, server.started_us) == (None, None, None)
        assert heard.events == []
    place[0] = LOOPBACK if isinstance(place[0], tuple) else str(socket_dir / "elsewhere")
    with server:
        assert server.error is None
        assert question(server, kind, socket_dir, b"at last") == b"at last"


def test_failed_server_can_be_stopped() -> None:
    server = BackgroundServer(lambda: sockcore.TCPServer(("256.0.0.1", 0), Echo))
    with pytest.raises(OSError, match=r".+"):
        server.start()
    assert server.stop() == 0
    assert server.state is ServerState.STOPPED
    assert server.error is None


def test_whatever_the_factory_raises_comes_out() -> None:
    def broken() -> sockcore.TCPServer:
        raise LookupError

    server = BackgroundServer(broken)
    with pytest.raises(LookupError):
        server.start()
    assert server.state is ServerState.FAILED
    assert server.error == "LookupError"


@pytest.fixture
def no_more_threads() -> Iterator[ExitStack]:
    """A process in which threads cannot start, until the stack is closed."""
    with ExitStack() as stack:
        stack.callback(threading.stack_size, threading.stack_size())
        threading.stack_size(1 << 46)  # more than there are addresses for
        yield stack


@pytest.mark.parametrize("kind", ["tcp-threading", "udp-threading"])
@pytest.mark.parametrize("another", [False, True], ids=["the first", "one of two"])
def test_start_without_threads_leaves_nothing(
    kind: str, another: bool, socket_dir: Path, request: pytest.FixtureRequest
) -> None:
    with ExitStack() as stack:
        if another:  # then the ticker runs already, and only the loop cannot start
            other = BackgroundServer(factory("udp-single", Echo, socket_dir))
            stack.enter_context(other)
            question(other, "udp-single", socket_dir, b"is your loop in?")
        names, descriptors = ours(), descriptors_open()
        threads = request.getfixturevalue("no_more_threads")
        server = BackgroundServer(
            factory(kind, Echo, socket_dir), limits=Limits(idle_timeout_s=0.05)
        )
        with pytest.raises(RuntimeError, match="can't start new thread"):
            server.start()
        assert server.state is ServerState.FAILED
        assert server.error == "RuntimeError: can't start new thread"
        assert ours() == names
        assert descriptors_open() == descriptors
        threads.close()
        with server:
            assert question(server, kind, socket_dir, b"now") == b"now"
            wait_until(lambda: not server.connections(), "the tick that ends the idle")


def test_start_of_a_running_server_is_refused_and_changes_nothing() -> None:
    with BackgroundServer(echo, name="hall") as server:
        address = server.address
        with pytest.raises(StateError, match="hall is running already"):
            server.start()
        assert server.state is ServerState.RUNNING
        assert server.address == address
        assert question(server, "tcp", Path(), b"x") == b"x"


def test_stop_of_a_stopped_server_is_nothing() -> None:
    heard = Heard()
    server = BackgroundServer(echo, sink=heard)
    assert server.stop() == 0
    with server:
        assert server.stop() == 0
        assert server.stop() == 0
    assert heard.names == ["ServerStarted", "ServerStopped"]


def test_the_start_is_told_before_anything_else() -> None:
    """Also of a server whose client is there before its loop."""
    heard = Heard()
    with ExitStack() as clients:

        def sought() -> sockcore.TCPServer:
            server = sockcore.TCPServer(LOOPBACK, sockcore.BaseRequestHandler)
            clients.enter_context(connect(server.server_address))
            return server

        for run in range(1, 21):
            with BackgroundServer(sought, sink=heard):
                heard.wait_for(RequestFinished, run)
    runs = " ".join(heard.names).split("ServerStopped")
    assert [run.split()[:1] for run in runs] == [["ServerStarted"]] * 20 + [[]]


def test_many_threads_start_and_stop() -> None:
    heard = Heard()
    server = BackgroundServer(echo, sink=heard)

    def play() -> None:
        for _ in range(15):
            try:
                server.start()
            except StateError:
                refused.append(1)
            server.stop(NEVER_S)

    refused: list[int] = []
    players = [threading.Thread(target=play) for _ in range(6)]
    for player in players:
        player.start()
    for player in players:
        join(player)
    started = heard.names.count("ServerStarted")
    assert heard.names == ["ServerStarted", "ServerStopped"] * started
    assert started + len(refused) == 90
    assert shown(server) == shown(BackgroundServer(echo))


def test_stops_at_the_same_time_all_return() -> None:
    with gate() as closed, ExitStack() as stack:
        w = stack.enter_context(watched(lambda: sockcore.TCPServer(LOOPBACK, closed.handler())))
        stack.enter_context(caller(w.server))
        closed.wait_entered()
        counts: list[int] = []
        stoppers = [
            threading.Thread(target=lambda: counts.append(w.server.stop(0.1))) for _ in range(5)
        ]
        for stopper in stoppers:
            stopper.start()
        for stopper in stoppers:
            join(stopper)
        assert sorted(counts) == [0, 0, 0, 0, 1]


def test_block_starts_and_stops() -> None:
    server = BackgroundServer(echo)
    with pytest.raises(KeyError), server:
        raise KeyError
    assert server.state is ServerState.STOPPED


def test_handler_threads_are_daemons_and_close_waits_for_none() -> None:
    with gate() as closed, ExitStack() as stack:
        handler = closed.handler()
        w = stack.enter_context(watched(lambda: sockcore.ThreadingTCPServer(LOOPBACK, handler)))
        stack.enter_context(caller(w.server))
        closed.wait_entered()
        w.heard.wait_for(ConnectionOpened)
        names = {t.name: t.daemon for t in threading.enumerate()}
        assert [d for n, d in names.items() if "process_request" in n] == [True]
        assert [d for n, d in names.items() if n.startswith("server:")] == [True]
        closed.open.set()


def test_one_ticker_serves_all_and_ends_with_the_last() -> None:
    with BackgroundServer(echo), in_thread(BackgroundServer(echo).start().stop):
        assert ours().count("sockcore-ticker") == 1
    wait_until(lambda: "sockcore-ticker" not in ours(), "the end of the ticker")
