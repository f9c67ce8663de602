"""What a watched server tells and counts, whatever its transport: order, content, exactness."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import sockcore
from sockcore import (
    BackgroundServer,
    ConnectionClosed,
    ConnectionOpened,
    Event,
    Limits,
    RequestFinished,
    RequestProgressed,
    ServerStarted,
    ServerStopped,
    Totals,
)
from tests.sockcore.serving import wait_until
from tests.sockcore.watching import (
    DATAGRAMS,
    KINDS,
    LOOPBACK,
    NEVER_S,
    STREAMS,
    Echo,
    Heard,
    caller,
    factory,
    question,
    sender,
    watched,
)
from tests.sockcore.wires import exactly

each_kind = pytest.mark.parametrize("kind", KINDS)


class Failing(sockcore.BaseRequestHandler):
    speaks_first = True

    def handle(self) -> None:
        raise ZeroDivisionError("so it went")


@each_kind
def test_a_request_is_told_in_order_and_whole(kind: str, socket_dir: Path) -> None:
    with watched(factory(kind, Echo, socket_dir)) as w:
        assert question(w.server, kind, socket_dir, b"question") == b"question"
        (done,) = w.heard.wait_for(RequestFinished)
        address = w.server.address
    events = [event for event in w.heard.events if not isinstance(event, RequestProgressed)]
    streams = [ServerStarted, ConnectionOpened, ConnectionClosed, RequestFinished, ServerStopped]
    datagrams = [ServerStarted, ConnectionOpened, RequestFinished, ConnectionClosed, ServerStopped]
    assert [type(e) for e in events] == (streams if kind in STREAMS else datagrams)
    started, opened, stopped = events[0], events[1], events[-1]
    assert isinstance(started, ServerStarted)
    assert isinstance(opened, ConnectionOpened)
    assert isinstance(stopped, ServerStopped)
    assert {event.server for event in events} == {"hall"}
    assert started.address == address
    assert (stopped.abandoned, stopped.cause) == (0, None)
    assert started.at_us <= opened.at_us <= done.started_us <= stopped.at_us
    assert done.peer == opened.peer
    assert done.connection_id == opened.connection_id == 1


@each_kind
def test_a_finished_request_says_all_of_it(kind: str, socket_dir: Path) -> None:
    with watched(factory(kind, Echo, socket_dir)) as w:
        question(w.server, kind, socket_dir, b"question")
        (done,) = w.heard.wait_for(RequestFinished)
    assert done.request_id == 1
    assert len(done.run_id) == 32
    assert (done.received, done.sent) == (exactly(b"question"), exactly(b"question"))
    assert [(c.inbound, c.size) for c in done.chunks] == [(True, 8), (False, 8)]
    assert 0 <= done.chunks[0].offset_us <= done.chunks[1].offset_us <= done.duration_us
    assert (done.outcome, done.error) == ("ok", None)
    assert done.closed_by == ("client" if kind in STREAMS else "handler")


@each_kind
def test_a_failing_handler_is_told_with_its_traceback(kind: str, socket_dir: Path) -> None:
    with watched(factory(kind, Failing, socket_dir)) as w:
        for count in (1, 2):
            ask_for_nothing(w.server, kind, socket_dir)
            done = w.heard.wait_for(RequestFinished, count)[-1]
            assert (done.outcome, done.closed_by) == ("error", "handler")
            assert done.error is not None
            assert done.error.startswith("Traceback (most recent call last):")
            assert "in handle" in done.error
            assert done.error.endswith("ZeroDivisionError: so it went\n")
            assert w.server.totals().errors_total == count


def ask_for_nothing(server: BackgroundServer, kind: str, folder: Path) -> None:
    """Be a client that gets no answer, gone when this returns."""
    if kind in DATAGRAMS:
        with sender(server, folder) as client:
            client.send(b"unanswered")
        return
    with caller(server) as client:
        assert client.recv(1) == b""


@each_kind
def test_refused_by_verify_request_is_a_request_without_an_answer(
    kind: str, socket_dir: Path
) -> None:
    make = factory(kind, Echo, socket_dir, verify_request=lambda *_: False)
    with watched(make) as w:
        ask_for_nothing(w.server, kind, socket_dir)
        (done,) = w.heard.wait_for(RequestFinished)
        assert (done.outcome, done.closed_by, done.sent.total) == ("ok", "handler", 0)


@each_kind
def test_totals_are_exact(kind: str, socket_dir: Path) -> None:
    with watched(factory(kind, Echo, socket_dir)) as w:
        for size in (1, 20, 300):
            question(w.server, kind, socket_dir, b"x" * size)
        w.heard.wait_for(RequestFinished, 3)
        here = 3 if kind in DATAGRAMS else 0
        expected = Totals(
            connections=here,
            connections_total=3,
            requests_total=3,
            bytes_in=321,
            bytes_out=321,
        )
        assert w.server.totals() == expected
        assert len(w.server.connections()) == here
    assert w.server.totals() == Totals(
        connections_total=3, requests_total=3, bytes_in=321, bytes_out=321
    )


def test_totals_hold_what_crossed_until_the_end_of_the_connection_and_after() -> None:
    """Asked between the end of a connection and that of its request, neither lost nor double."""
    seen: list[tuple[str, int, int]] = []

    def look(event: Event) -> None:
        if isinstance(event, ConnectionClosed | RequestFinished):
            totals = server.totals()
            seen.append((type(event).__name__, totals.bytes_in, totals.bytes_out))
        heard(event)

    heard = Heard()
    server = BackgroundServer(lambda: sockcore.TCPServer(LOOPBACK, Echo), sink=look)
    with server:
        for count in (1, 2, 3):
            question(server, "tcp-single", Path(), b"x" * 1000)
            heard.wait_for(RequestFinished, count)
    assert seen == [
        (name, size, size)
        for size in (1000, 2000, 3000)
        for name in ("ConnectionClosed", "RequestFinished")
    ]


def test_totals_are_right_amid_the_traffic() -> None:
    counts: list[int] = []
    with watched(lambda: sockcore.ThreadingTCPServer(LOOPBACK, Echo)) as w:
        clients = [
            threading.Thread(
                target=lambda: [question(w.server, "tcp", Path(), b"x" * 100) for _ in range(40)]
            )
            for _ in range(4)
        ]
        for client in clients:
            client.start()
        while any(client.is_alive() for client in clients):
            counts.append(w.server.totals().bytes_in)
        w.heard.wait_for(RequestFinished, 160)
        counts.append(w.server.totals().bytes_in)
    assert counts == sorted(counts)
    assert counts[-1] == 16000


def test_a_long_request_is_told_as_it_stands_and_finished_once() -> None:
    with watched(lambda: sockcore.ThreadingTCPServer(LOOPBACK, Echo)) as w:
        with caller(w.server) as client:
            (first,) = w.heard.wait_for(RequestProgressed)[:1]
            assert (first.received.total, first.chunks) == (0, ())
            client.sendall(b"one")
            wait_until(lambda: _progress(w.heard).sent.prefix == b"one", "the first word")
            client.sendall(b"two")
            wait_until(lambda: _progress(w.heard).sent.prefix == b"onetwo", "the second word")
            told = _progress(w.heard)
        (done,) = w.heard.wait_for(RequestFinished)
    assert told.received == (b"onetwo", 6, b"")  # a digest is made at the end only
    assert [chunk.size for chunk in told.chunks] == [3, 3, 3, 3]
    assert (told.run_id, told.request_id) == (done.run_id, done.request_id)
    assert (told.connection_id, told.peer) == (done.connection_id, done.peer)
    assert told.started_us == done.started_us
    assert told.duration_us <= done.duration_us
    assert done.chunks[:4] == told.chunks
    events = w.heard.events
    assert len(w.heard.of(RequestFinished)) == 1
    assert not any(isinstance(e, RequestProgressed) for e in events[events.index(done) :])


def _progress(heard: Heard) -> RequestProgressed:
    return heard.of(RequestProgressed)[-1]


def test_a_silent_request_is_not_told_again() -> None:
    """Only one that something happened to: others would be written again and again."""
    with (
        watched(lambda: sockcore.ThreadingTCPServer(LOOPBACK, Echo)) as w,
        caller(w.server),
        caller(w.server) as busy,
    ):
        w.heard.wait_for(RequestProgressed, 2)
        for turn in range(3):  # as many tellings of the other one
            busy.sendall(b"x")
            wait_until(lambda n=turn: _of(w.heard, 2)[-1].sent.total > n, "a telling")  # type: ignore[misc]
        assert len(_of(w.heard, 1)) == 1


def _of(heard: Heard, request_id: int) -> list[RequestProgressed]:
    return [e for e in heard.of(RequestProgressed) if e.request_id == request_id]


def test_runs_are_told_apart(socket_dir: Path) -> None:
    heard = Heard()
    server = BackgroundServer(factory("tcp-single", Echo, socket_dir), sink=heard)
    for count in (1, 2):
        with server:
            question(server, "tcp-single", socket_dir, b"x")
            heard.wait_for(RequestFinished, count)
    first, second = heard.of(RequestFinished)
    assert first.run_id != second.run_id
    assert first.request_id == second.request_id == 1
    assert server.totals().requests_total == 1  # of the last run


@each_kind
def test_a_sink_that_raises_hurts_nobody(
    kind: str, socket_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()

    def deaf(event: Event) -> None:
        heard(event)
        raise RuntimeError("disk full")

    with watched(factory(kind, Echo, socket_dir), sink=deaf) as w:
        for _ in range(3):
            assert question(w.server, kind, socket_dir, b"still") == b"still"
        heard.wait_for(RequestFinished, 3)
        assert w.server.totals().requests_total == 3
        assert w.server.stop(NEVER_S) == 0
    assert heard.names[-1] == "ServerStopped"
    told = [r for r in caplog.records if "sink raised" in r.getMessage()]
    assert len(told) == 1
    assert told[0].exc_info is not None


def test_a_sink_may_ask_its_server() -> None:
    asked: list[Any] = []

    def curious(event: Event) -> None:
        asked.append((server.totals(), server.connections(), server.address, server.state))
        heard(event)

    heard = Heard()
    server = BackgroundServer(lambda: sockcore.TCPServer(LOOPBACK, Echo), sink=curious)
    with server:
        question(server, "tcp-single", Path(), b"x")
        heard.wait_for(RequestFinished)
    assert len(asked) == len(heard.events)


def test_the_limit_of_kept_bytes_holds() -> None:
    limits = Limits(tape_bytes=10, tape_chunks=2)
    with watched(lambda: sockcore.TCPServer(LOOPBACK, Echo), limits=limits) as w:
        question(w.server, "tcp-single", Path(), b"x" * 50_000)
        (done,) = w.heard.wait_for(RequestFinished)
    assert done.received == exactly(b"x" * 50_000)._replace(prefix=b"x" * 10)
    assert sum(chunk.size for chunk in done.chunks) == 100_000
    assert len(done.chunks) == 2


def test_nobody_has_to_listen() -> None:
    with BackgroundServer(lambda: sockcore.TCPServer(LOOPBACK, Echo)) as server:
        assert question(server, "tcp-single", Path(), b"x") == b"x"
        wait_until(lambda: server.totals().connections == 0, "the end of the connection")
