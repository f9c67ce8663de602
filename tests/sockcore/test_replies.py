"""Replies to datagrams: so many a second to one source, none to some, and account of the rest."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sockcore import BackgroundServer, Limits, RequestFinished
from sockcore.host import HostedServer
from sockcore.replies import Prepaid, Replies
from tests.sockcore.hosts import hosted
from tests.sockcore.watching import DATAGRAMS, Echo, Heard, factory, sender
from tests.waiting import eventually

HOSTED = ("UDPServer", "ForkingUDPServer", "ForkingUnixDatagramServer")
each_kind = pytest.mark.parametrize("kind", [*DATAGRAMS, *HOSTED])

#: More than a second gives back while a test lasts would not matter: what may go is computed.
FEW = 3
MANY = 40

Server = BackgroundServer | HostedServer


@contextlib.contextmanager
def answering(kind: str, folder: Path, limits: Limits) -> Iterator[tuple[Any, Heard]]:
    """A server that answers each datagram with one of its size."""
    server: Server
    if kind in HOSTED:
        if not hasattr(os, "fork"):
            pytest.skip("no fork here")
        place: Any = str(folder / "hosted") if "Unix" in kind else ("127.0.0.1", 0)
        server, heard = hosted(kind, "Upper", place, limits=limits)
    else:
        heard = Heard()
        server = BackgroundServer(factory(kind, Echo, folder), sink=heard, limits=limits)
    server.start()
    try:
        yield server, heard
    finally:
        server.stop()


def replies(client: socket.socket) -> int:
    """How many have come, none is waited for."""
    count, timeout_s = 0, client.gettimeout()
    client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while client.recv(65536):
            count += 1
    client.settimeout(timeout_s)
    return count


def outcomes(heard: Heard, count: int) -> Counter[str]:
    return Counter(event.outcome for event in heard.wait_for(RequestFinished, count))


@each_kind
def test_so_many_replies_a_second_for_each_source(kind: str, socket_dir: Path) -> None:
    limits = Limits(replies_per_s=FEW)
    with answering(kind, socket_dir, limits) as (server, heard):
        with sender(server, socket_dir) as client:
            began = time.monotonic()
            for number in range(MANY):
                client.send(b"%d" % number)
            ends = outcomes(heard, MANY)
            lasted_s = time.monotonic() - began
            eventually(lambda: server.totals().suppressed_total == ends["suppressed"])
            assert set(ends) == {"ok", "suppressed"}
            assert FEW <= ends["ok"] <= FEW + FEW * lasted_s
            assert replies(client) == ends["ok"] == MANY - ends["suppressed"]
        gone = [e for e in heard.of(RequestFinished) if e.outcome == "suppressed"]
        assert {event.sent.total for event in gone} == {0}
        assert {event.received.total > 0 for event in gone} == {True}
        totals = server.totals()
        assert (totals.requests_total, totals.errors_total) == (MANY, 0)
        assert (totals.refused_total, totals.dropped_total) == (0, 0)


@each_kind
def test_what_is_not_limited_is_answered(kind: str, socket_dir: Path) -> None:
    with (
        answering(kind, socket_dir, Limits()) as (server, heard),
        sender(server, socket_dir) as client,
    ):
        for number in range(MANY):
            client.send(b"%d" % number)
        assert outcomes(heard, MANY) == {"ok": MANY}
        assert replies(client) == MANY
        assert server.totals().suppressed_total == 0


@each_kind
def test_a_server_of_the_same_program_gets_no_reply(kind: str, socket_dir: Path) -> None:
    with (
        answering(kind, socket_dir, Limits()) as (server, heard),
        sender(server, socket_dir) as client,
    ):
        client.send(b"a")
        assert client.recv(9) in (b"a", b"A")
        server.limits = Limits(no_reply_to=frozenset({client.getsockname()}))
        eventually(lambda: _is_suppressed(client, server))
        server.limits = Limits()
        eventually(lambda: _is_answered(client, server))
        assert "error" not in outcomes(heard, 3)


def _is_suppressed(client: socket.socket, server: Server) -> bool:
    """A hosted server hears of its limits a moment later."""
    before = server.totals().suppressed_total
    client.send(b"b")
    eventually(lambda: server.totals().suppressed_total > before or replies(client))
    return server.totals().suppressed_total > before


def _is_answered(client: socket.socket, server: Server) -> bool:
    return not _is_suppressed(client, server)


def test_low_ports_get_no_reply(socket_dir: Path) -> None:
    with (
        answering("udp-single", socket_dir, Limits()) as (server, heard),
        sender(server, socket_dir) as client,
    ):
        port = client.getsockname()[1]
        server.limits = Limits(replies_from_port=port)
        client.send(b"a")
        assert client.recv(9) == b"a"
        server.limits = Limits(replies_from_port=port + 1)
        client.send(b"a")
        heard.wait_for(RequestFinished, 2)
        assert server.totals().suppressed_total == 1
        assert replies(client) == 0


def test_a_handler_that_answers_nothing_is_not_limited(socket_dir: Path) -> None:
    limits = Limits(replies_per_s=1)
    with answering("udp-single", socket_dir, limits) as (server, heard):
        server._server.RequestHandlerClass = lambda *_: None
        with sender(server, socket_dir) as client:
            for _ in range(MANY):
                client.send(b"syslog")
            assert outcomes(heard, MANY) == {"ok": MANY}
            assert server.totals().suppressed_total == 0


def test_who_asked_nothing_is_sent_what_a_handler_likes(socket_dir: Path) -> None:
    """It is no reply, so nobody's limit: a relay sends on to a place of its own choice."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as third:
        third.bind(("127.0.0.1", 0))
        third.settimeout(20)
        place = third.getsockname()

        def relay(request: Any, _address: Any, _server: Any) -> None:
            request[1].sendto(request[0], place)

        limits = Limits(replies_per_s=1, replies_from_port=65_535)
        with answering("udp-single", socket_dir, limits) as (server, _):
            server._server.RequestHandlerClass = relay
            with sender(server, socket_dir) as client:
                for _ in range(10):
                    client.send(b"on")
                assert [third.recv(9) for _ in range(10)] == [b"on"] * 10


def test_sendmsg_is_held_to_it_too(socket_dir: Path) -> None:
    def answer(request: Any, address: Any, _server: Any) -> None:
        assert request[1].sendmsg([b"one", b"two"], (), 0, address) == 6

    limits = Limits(replies_from_port=65_535)
    with answering("udp-single", socket_dir, limits) as (server, heard):
        server._server.RequestHandlerClass = answer
        with sender(server, socket_dir) as client:
            client.send(b"x")
            assert outcomes(heard, 1) == {"suppressed": 1}
            assert replies(client) == 0


# -- the account itself, without a server ------------------------------------------------------


def test_who_listens_everywhere_is_at_every_address_of_this_machine() -> None:
    bounds = Replies(Limits(no_reply_to=frozenset({("0.0.0.0", 7000), ("::", 7001, 0, 0)})))
    for mine in ("127.0.0.1", "127.0.0.9", "0.0.0.0"):
        assert not bounds.allow((mine, 7000))
        assert not bounds.allow((mine, 7001))
    assert not bounds.allow(("::1", 7001, 0, 0))
    assert not bounds.allow(("::ffff:127.0.0.1", 7000, 0, 0))
    assert bounds.allow(("192.0.2.7", 7000))  # nobody's: RFC 5737
    assert bounds.allow(("127.0.0.1", 7002))


def test_who_listens_at_one_address_is_there_alone() -> None:
    bounds = Replies(Limits(no_reply_to=frozenset({("127.0.0.1", 7000), "/run/a.sock"})))
    assert not bounds.allow(("127.0.0.1", 7000))
    assert not bounds.allow(("::ffff:127.0.0.1", 7000, 0, 0))
    assert bounds.allow(("127.0.0.2", 7000))
    assert not bounds.allow("/run/a.sock")
    assert bounds.allow("/run/b.sock")


def test_sources_are_counted_by_address_and_not_by_port() -> None:
    bounds = Replies(Limits(replies_per_s=0.001))  # one, and then none for a quarter of an hour
    assert bounds.allow(("192.0.2.7", 5000))
    assert not bounds.allow(("192.0.2.7", 5001))
    assert not bounds.allow(("::ffff:192.0.2.7", 5001, 0, 0))
    assert bounds.allow(("192.0.2.8", 5000))


def test_sources_that_are_remembered_are_bounded() -> None:
    bounds = Replies(Limits(replies_per_s=0.001))
    for number in range(150_000):
        assert bounds.allow((f"2001:db8::{number:x}", 5000, 0, 0))
    assert len(bounds._paid_ns) <= 65_536
    assert not bounds.allow(("2001:db8::249ef", 5000, 0, 0))  # the last one


# -- what a child process is given, beforehand -------------------------------------------------

SOURCE, OTHER_PORT = ("192.0.2.7", 5000), ("192.0.2.7", 5001)


class Clock:
    """Stands in for the module: a time that only a test moves."""

    def __init__(self) -> None:
        self.seconds = 1000

    def monotonic_ns(self) -> int:
        return self.seconds * 1_000_000_000


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("sockcore.replies.time", made)
    return made


def test_a_child_that_was_given_none_sends_none_however_late_it_is(clock: Clock) -> None:
    """Each has a copy of the account, and would find the same reply free again."""
    bounds = Replies(Limits(replies_per_s=1))
    first, *rest = (Prepaid(bounds, SOURCE) for _ in range(3))
    clock.seconds += 60
    for child in rest:
        assert not child.allow(SOURCE)
        assert not child.allow(OTHER_PORT)
    assert first.allow(SOURCE)
    assert not first.allow(SOURCE)


def test_a_child_sends_as_many_as_were_left_when_it_was_forked(clock: Clock) -> None:
    bounds = Replies(Limits(replies_per_s=3))
    assert bounds.allow(SOURCE)
    child = Prepaid(bounds, SOURCE)
    clock.seconds += 60
    assert [child.allow(SOURCE) for _ in range(3)] == [True, True, False]
    assert child.allow(("192.0.2.8", 5000))
    assert Prepaid(bounds, SOURCE).allow(SOURCE)  # the next one knows what is free by now
