"""Handlers that are away from their socket for too long are told of, once, and left alone."""

from __future__ import annotations

import logging
import ssl
import threading
from pathlib import Path

import pytest

import sockcore
from sockcore import HandlerOverdue, Limits, RequestFinished
from tests.certificates import Certificates
from tests.sockcore.secure import tls_caller, tls_watched
from tests.sockcore.watching import (
    DATAGRAMS,
    KINDS,
    Gate,
    caller,
    factory,
    gate,
    sender,
    watched,
)

SHORT = Limits(handler_timeout_s=0.2)

TICKS_S = 0.7  # several ticks, and several times the limit


def reading_then_stuck(g: Gate) -> type[sockcore.BaseRequestHandler]:
    class Handler(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            if not isinstance(self.request, tuple):
                self.request.recv(9)
            g.pass_through()

    return Handler


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_told_once(kind: str, socket_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    with (
        gate() as g,
        watched(factory(kind, reading_then_stuck(g), socket_dir), limits=SHORT) as w,
        sender(w.server, socket_dir) if kind in DATAGRAMS else caller(w.server) as client,
        caplog.at_level(logging.WARNING, "sockcore"),
    ):
        client.send(b"x")
        g.wait_entered()
        (overdue,) = w.heard.wait_for(HandlerOverdue)
        assert not threading.Event().wait(TICKS_S)  # time enough to tell it again
        g.open.set()
        (done,) = w.heard.wait_for(RequestFinished)
        assert w.heard.of(HandlerOverdue) == [overdue]
        assert (overdue.server, overdue.request_id, overdue.connection_id) == ("hall", 1, 1)
        assert (overdue.run_id, overdue.peer) == (done.run_id, done.peer)
        assert overdue.busy_s > 0.2
        assert done.outcome == "ok"
        totals = w.server.totals()
        assert (totals.overdue_total, totals.errors_total) == (1, 0)
    told = [record for record in caplog.records if "busy" in record.message]
    assert len(told) == 1
    assert done.peer in told[0].message


@pytest.mark.parametrize("kind", ["tcp-event", "unix-event"])
def test_a_message_that_keeps_the_loop_busy_is_told_of(kind: str, socket_dir: Path) -> None:
    with (
        gate() as g,
        watched(factory(kind, busy_with_words(g), socket_dir), limits=SHORT) as w,
        caller(w.server) as silent,
        caller(w.server) as client,
    ):
        silent.sendall(b"quick\n")
        assert silent.recv(9) == b"quick\n"
        client.sendall(b"slow\n")
        g.wait_entered()
        (overdue,) = w.heard.wait_for(HandlerOverdue)
        g.open.set()
        assert client.recv(9) == b"slow\n"
        assert overdue.request_id == 2
        assert not threading.Event().wait(TICKS_S)  # both are silent now, as they may
        assert w.heard.of(HandlerOverdue) == [overdue]


def busy_with_words(g: Gate) -> type[sockcore.BaseRequestHandler]:
    class Handler(sockcore.MessageRequestHandler):
        def handle_message(self, message: bytes) -> bytes:
            if message == b"slow":
                g.pass_through()
            return message

    return Handler


class Waiting(sockcore.BaseRequestHandler):
    """Waits for its client in one long call, or again and again in short ones."""

    timeout: float | None = None

    def handle(self) -> None:
        self.request.settimeout(self.timeout)
        while True:
            try:
                if not self.request.recv(9):
                    return
            except TimeoutError:
                pass


@pytest.mark.parametrize("timeout", [None, 0.05])
def test_handler_that_waits_for_its_client_is_not_overdue(
    timeout: float | None, socket_dir: Path
) -> None:
    handler = type("Handler", (Waiting,), {"timeout": timeout})
    with (
        watched(factory("tcp-threading", handler, socket_dir), limits=SHORT) as w,
        caller(w.server) as client,
    ):
        client.send(b"x")
        assert not threading.Event().wait(TICKS_S)
        client.close()
        w.heard.wait_for(RequestFinished)
        assert w.heard.of(HandlerOverdue) == []
        assert w.server.totals().overdue_total == 0


def test_nor_is_one_whose_client_does_not_read(socket_dir: Path) -> None:
    class Sending(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(bytes(10 * 1024 * 1024))

    with (
        watched(factory("tcp-threading", Sending, socket_dir), limits=SHORT) as w,
        caller(w.server),
    ):
        assert not threading.Event().wait(TICKS_S)
        assert w.server.disconnect(1)
        w.heard.wait_for(RequestFinished)
        assert w.heard.of(HandlerOverdue) == []


def test_nor_one_that_has_not_begun(socket_dir: Path) -> None:
    """The one thread is busy with the first; the second waits for it, accepted or not."""
    with (
        gate() as g,
        watched(factory("tcp-pool", g.handler(), socket_dir, max_threads=1), limits=SHORT) as w,
        caller(w.server) as first,
        caller(w.server) as last,
    ):
        for client in (first, last):
            client.send(b"x")
        g.wait_entered()
        w.heard.wait_for(HandlerOverdue)
        assert not threading.Event().wait(TICKS_S)
        assert len(w.heard.of(HandlerOverdue)) == 1
        g.open.set()
        w.heard.wait_for(RequestFinished, 2)


def test_tls_handler_is_seen_the_same_way(certificates: Certificates, socket_dir: Path) -> None:
    class Reading(sockcore.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(self.rfile.readline())

    with (
        tls_watched(certificates, socket_dir, Reading, limits=SHORT) as w,
        tls_caller(w.server, certificates.trusting()) as client,
    ):
        assert isinstance(client, ssl.SSLSocket)
        assert not threading.Event().wait(TICKS_S)
        client.sendall(b"at last\n")
        assert client.recv(99) == b"at last\n"
        w.heard.wait_for(RequestFinished)
        assert w.heard.of(HandlerOverdue) == []
