"""Watched datagrams: peers by address, whose answer is whose, limits, ends."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import sockcore
from sockcore import (
    BackgroundServer,
    ConnectionClosed,
    ConnectionOpened,
    Limits,
    RequestFinished,
    RequestProgressed,
)
from sockcore.events import Bytes
from tests.sockcore.serving import in_thread
from tests.sockcore.watching import (
    DATAGRAMS,
    Echo,
    Watched,
    factory,
    gate,
    sender,
    watched,
)
from tests.sockcore.wires import exactly

each_kind = pytest.mark.parametrize("kind", DATAGRAMS)

UDP = "udp-threading"


@contextmanager
def echoing(folder: Path, kind: str = UDP, limits: Limits | None = None) -> Iterator[Watched]:
    with watched(factory(kind, Echo, folder), limits=limits) as w:
        yield w


def told(client: socket.socket, data: bytes) -> bytes:
    client.send(data)
    return client.recv(65536)


def ids(server: BackgroundServer) -> list[int]:
    return [info.id for info in server.connections()]


@each_kind
def test_a_peer_is_a_connection_and_each_datagram_a_request(kind: str, socket_dir: Path) -> None:
    with echoing(socket_dir, kind) as w, sender(w.server, socket_dir) as client:
        for word in (b"one", b"three", b""):
            assert told(client, word) == word
        # A thread may end after the next one's: the client has its answer before.
        done = sorted(w.heard.wait_for(RequestFinished, 3), key=lambda event: event.request_id)
        (info,) = w.server.connections()
        assert w.heard.names.count("ConnectionOpened") == 1
    assert [event.request_id for event in done] == [1, 2, 3]
    assert {event.connection_id for event in done} == {1}
    assert [event.received for event in done] == [exactly(b"one"), exactly(b"three"), Bytes()]
    assert [event.sent for event in done] == [exactly(b"one"), exactly(b"three"), Bytes()]
    assert done[2].chunks == ()
    assert (info.id, info.bytes_in, info.bytes_out) == (1, 8, 8)
    assert (info.fileno, info.last_bytes) == (None, b"")
    (closed,) = w.heard.of(ConnectionClosed)
    assert (closed.connection_id, closed.closed_by, closed.peer) == (1, "stop", info.peer)


@each_kind
def test_silent_peer_is_forgotten_and_new_when_heard_of_again(kind: str, socket_dir: Path) -> None:
    limits = Limits(idle_timeout_s=0.05)
    with echoing(socket_dir, kind, limits) as w, sender(w.server, socket_dir) as client:
        told(client, b"first")
        (closed,) = w.heard.wait_for(ConnectionClosed)
        assert (closed.connection_id, closed.closed_by) == (1, "idle")
        told(client, b"second")
        opened = w.heard.wait_for(ConnectionOpened, 2)[1]
        assert opened.connection_id == 2
        assert opened.peer == closed.peer
        assert w.server.totals().requests_total == 2


def test_the_quietest_peer_goes_for_a_new_one(socket_dir: Path) -> None:
    with echoing(socket_dir, limits=Limits(max_connections=2)) as w, ExitStack() as stack:
        first, second, third = (
            stack.enter_context(sender(w.server, socket_dir)) for _ in range(3)
        )
        for client in (first, second, first, third):
            assert told(client, b"x") == b"x"
        assert ids(w.server) == [1, 3]
        (closed,) = w.heard.wait_for(ConnectionClosed)
        assert (closed.connection_id, closed.closed_by) == (2, "idle")
        assert told(second, b"back") == b"back"
        assert ids(w.server) == [3, 4]
        totals = w.server.totals()
        assert (totals.connections, totals.connections_total) == (2, 4)
        assert totals.refused_total == 0


def test_peer_is_forgotten_by_hand(socket_dir: Path) -> None:
    with echoing(socket_dir) as w, sender(w.server, socket_dir) as client:
        told(client, b"x")
        assert w.server.disconnect(1)
        assert not w.server.disconnect(1)
        assert w.server.connections() == []
        (closed,) = w.heard.wait_for(ConnectionClosed)
        assert closed.closed_by == "panel"
        assert told(client, b"again") == b"again"
        assert ids(w.server) == [2]


@each_kind
def test_stream_like_handler_answers_at_its_end(kind: str, socket_dir: Path) -> None:
    class Upper(sockcore.DatagramRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.rfile.read().upper())

    with watched(factory(kind, Upper, socket_dir)) as w, sender(w.server, socket_dir) as client:
        assert told(client, b"loud") == b"LOUD"
        (done,) = w.heard.wait_for(RequestFinished)
        assert done.sent == exactly(b"LOUD")


@each_kind
def test_answer_of_another_thread_is_the_requests(kind: str, socket_dir: Path) -> None:
    class Delegating(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            data, answers = self.request
            with in_thread(answers.sendto, data * 2, self.client_address):
                pass

    with (
        watched(factory(kind, Delegating, socket_dir)) as w,
        sender(w.server, socket_dir) as client,
    ):
        assert told(client, b"ab") == b"abab"
        (done,) = w.heard.wait_for(RequestFinished)
        assert done.sent == exactly(b"abab")


def test_answer_by_an_overridden_finish_is_the_requests(socket_dir: Path) -> None:
    class Split(sockcore.DatagramRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"ab")

        def finish(self) -> None:
            for byte in self.wfile.getvalue():
                self.socket.sendmsg([bytes([byte])], [], 0, self.client_address)

    with watched(factory(UDP, Split, socket_dir)) as w, sender(w.server, socket_dir) as client:
        assert told(client, b"?") == b"a"
        assert client.recv(9) == b"b"
        (done,) = w.heard.wait_for(RequestFinished)
        assert done.sent == exactly(b"ab")
        assert [(c.inbound, c.size) for c in done.chunks] == [(True, 1), (False, 1), (False, 1)]


class Relay(sockcore.BaseRequestHandler):
    """Passes each datagram on to the peer heard of first."""

    first: Any = None

    def handle(self) -> None:
        data, answers = self.request
        if Relay.first is None:
            Relay.first = self.client_address
        answers.sendto(data, Relay.first)


def test_datagram_to_somebody_else_is_that_peers(
    socket_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Relay, "first", None)
    with (
        watched(factory(UDP, Relay, socket_dir)) as w,
        sender(w.server, socket_dir) as listening,
        sender(w.server, socket_dir) as speaking,
    ):
        told(listening, b"hi")
        w.heard.wait_for(RequestFinished)
        speaking.send(b"psst")
        assert listening.recv(9) == b"psst"
        done = w.heard.wait_for(RequestFinished, 2)[1]
        assert (done.connection_id, done.sent) == (2, Bytes())
        listener, speaker = w.server.connections()
        assert (listener.bytes_out, speaker.bytes_out) == (6, 0)
        assert w.server.totals().bytes_out == 6


def test_two_requests_of_one_peer_keep_their_answers_apart(socket_dir: Path) -> None:
    both = threading.Barrier(2)

    class Together(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            both.wait(20)
            self.request[1].sendto(self.request[0] * 2, self.client_address)

    with watched(factory(UDP, Together, socket_dir)) as w, sender(w.server, socket_dir) as client:
        client.send(b"a")
        client.send(b"b")
        done = w.heard.wait_for(RequestFinished, 2)
        assert {(e.received.prefix, e.sent.prefix) for e in done} == {(b"a", b"aa"), (b"b", b"bb")}


def test_answer_of_another_thread_goes_to_the_latest_of_its_peer(socket_dir: Path) -> None:
    with gate() as closed, ExitStack() as stack:
        w = stack.enter_context(watched(factory(UDP, closed.handler(), socket_dir)))
        client = stack.enter_context(sender(w.server, socket_dir))
        for word in (b"older", b"newer"):
            client.send(word)
            closed.wait_entered()
        server: Any = w.server._server
        server.socket.sendto(b"answer", client.getsockname())
        closed.open.set()
        done = {e.received.prefix: e for e in w.heard.wait_for(RequestFinished, 2)}
        assert done[b"newer"].sent == exactly(b"answer")
        assert done[b"older"].sent == Bytes()


def test_what_is_sent_unasked_is_counted_and_on_no_tape(socket_dir: Path) -> None:
    with echoing(socket_dir) as w, ExitStack() as stack:
        known = stack.enter_context(sender(w.server, socket_dir))
        stranger = stack.enter_context(sender(w.server, socket_dir))
        told(known, b"x")
        (done,) = w.heard.wait_for(RequestFinished)
        server: Any = w.server._server
        server.socket.sendto(b"news", known.getsockname())
        server.socket.sendto(b"spam!", stranger.getsockname())
        assert (known.recv(9), stranger.recv(9)) == (b"news", b"spam!")
        (info,) = w.server.connections()
        assert info.bytes_out == 5
        assert w.server.totals().bytes_out == 10
        assert done.sent == exactly(b"x")


def test_peer_without_a_name_cannot_be_answered(socket_dir: Path) -> None:
    make = factory("unix-datagram-single", Echo, socket_dir)
    with watched(make) as w, socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
        client.sendto(b"anonymous", w.server.address)
        (done,) = w.heard.wait_for(RequestFinished)
        assert (done.peer, done.outcome) == ("unnamed", "error")
        assert done.received == exactly(b"anonymous")
        assert "TypeError" in (done.error or "")


def test_a_long_answer_is_told_as_it_stands(socket_dir: Path) -> None:
    with gate() as closed, ExitStack() as stack:
        w = stack.enter_context(watched(factory(UDP, closed.handler(), socket_dir)))
        stack.enter_context(sender(w.server, socket_dir)).send(b"think")
        progressed = w.heard.wait_for(RequestProgressed)[0]
        assert progressed.received == Bytes(b"think", 5)
        assert w.heard.of(RequestFinished) == []
        closed.open.set()
        (done,) = w.heard.wait_for(RequestFinished)
        assert done.request_id == progressed.request_id
    assert w.heard.names.count("RequestFinished") == 1
