"""The same limits on an event server, and the deadline of a handshake, set while serving."""

from __future__ import annotations

import select
from pathlib import Path
from typing import Any

import pytest

import sockcore
from sockcore import Limits, LineFraming, MessageRequestHandler, RequestFinished
from tests.certificates import Certificates
from tests.sockcore.secure import tls_watched
from tests.sockcore.serving import read_all
from tests.sockcore.watching import KINDS, LOOPBACK, NEVER_S, caller, factory, watched
from tests.waiting import eventually

needs_epoll = pytest.mark.skipif(not hasattr(select, "epoll"), reason="no event servers here")


class Generous(MessageRequestHandler):
    """Answers a line with more than any buffer holds, but less than an event server keeps."""

    framing = LineFraming()
    max_frame = 8 * 1024 * 1024

    def handle_message(self, message: bytes) -> bytes:
        return bytes(4 * 1024 * 1024)


@needs_epoll
@pytest.mark.parametrize("kind", ["tcp-event", "unix-event", "tcp-threading"])
@pytest.mark.parametrize("late", [False, True])
def test_r5_client_that_never_reads_ends_the_same_way(
    kind: str, late: bool, socket_dir: Path
) -> None:
    limits = Limits(send_timeout_s=0.3)
    with (
        watched(factory(kind, Generous, socket_dir), limits=None if late else limits) as w,
        caller(w.server) as client,
    ):
        client.sendall(b"go\n")
        if late and kind == "tcp-threading":
            eventually(lambda: w.server.connections())
            w.server.limits = limits
        elif late:
            pytest.skip("a send under way keeps the deadline it began with")
        (done,) = w.heard.wait_for(RequestFinished)
        assert (done.outcome, done.closed_by, done.error) == ("unread", "unread", None)
        assert w.server.totals().errors_total == 0


@needs_epoll
def test_without_a_limit_an_event_server_keeps_that_of_its_class(socket_dir: Path) -> None:
    made: list[Any] = []

    class Server(sockcore.EventTCPServer):
        send_timeout = 7.0

        def server_activate(self) -> None:
            made.append(self)
            super().server_activate()

    with watched(lambda: Server(LOOPBACK, Generous)) as w:
        assert made[0].send_timeout == 7.0
        w.server.limits = Limits(send_timeout_s=2.0)
        assert made[0].send_timeout == 2.0
        w.server.limits = Limits()
        assert made[0].send_timeout == 7.0


@pytest.mark.parametrize(
    "kind", [kind for kind in ("tcp-threading", "tcp-event") if kind in KINDS]
)
def test_deadline_of_the_handshake_is_set_while_serving(
    kind: str, certificates: Certificates, socket_dir: Path
) -> None:
    limits = Limits(handshake_timeout_s=NEVER_S)
    with tls_watched(certificates, socket_dir, kind=kind, limits=limits) as w:
        w.server.limits = Limits(handshake_timeout_s=0.2)
        with caller(w.server) as silent:
            assert read_all(silent) == b""
        (ended,) = w.heard.wait_for(RequestFinished)
        assert ended.error == "TLS handshake: not done in time"


@pytest.mark.parametrize(
    "kind", [kind for kind in ("tcp-threading", "tcp-event") if kind in KINDS]
)
def test_handshake_without_a_deadline(
    kind: str, certificates: Certificates, socket_dir: Path
) -> None:
    limits = Limits(handshake_timeout_s=None)
    with (
        tls_watched(certificates, socket_dir, kind=kind, limits=limits) as w,
        caller(w.server),
    ):
        eventually(lambda: w.server.connections())
        assert w.server.disconnect(1)
        (ended,) = w.heard.wait_for(RequestFinished)
        assert ended.outcome == "disconnected"
