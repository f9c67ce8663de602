"""Clients that do not read what they are sent, and clients that never stop sending."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sockcore
from sockcore import Limits, RequestFinished, SendBufferFull
from tests.sockcore.serving import datagrams, in_thread, read_all
from tests.sockcore.watching import LOOPBACK, Echo, caller, factory, gate, watched
from tests.waiting import eventually

BIG = bytes(10 * 1024 * 1024)
SHORT_S = 0.3


def sending(how: str, raised: list[BaseException]) -> type[sockcore.BaseRequestHandler]:
    class Sending(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            try:
                getattr(self.request, how)(BIG)
            except OSError as error:
                raised.append(error)
                raise

    return Sending


@pytest.mark.parametrize("how", ["send", "sendall"])
@pytest.mark.parametrize("kind", ["tcp-threading", "tcp-pool", "unix-threading", "tcp-single"])
def test_r5_client_that_never_reads_is_cut(kind: str, how: str, socket_dir: Path) -> None:
    raised: list[BaseException] = []
    make = factory(kind, sending(how, raised), socket_dir)
    with (
        watched(make, limits=Limits(send_timeout_s=SHORT_S)) as w,
        caller(w.server),
    ):
        (done,) = w.heard.wait_for(RequestFinished)
        assert (done.outcome, done.closed_by, done.error) == ("unread", "unread", None)
        assert done.sent.total < len(BIG)
        # One send() that has got rid of a part says how much that is.
        assert [type(error) for error in raised] == [BrokenPipeError] * (how == "sendall")
        assert w.server.totals().errors_total == 0
        assert w.server.connections() == []
        assert w.server.stop() == 0


def test_it_takes_effect_for_a_send_that_is_under_way(socket_dir: Path) -> None:
    make = factory("tcp-threading", sending("sendall", []), socket_dir)
    with watched(make) as w, caller(w.server):
        eventually(lambda: w.server.connections())
        w.server.limits = Limits(send_timeout_s=SHORT_S)
        (done,) = w.heard.wait_for(RequestFinished)
        assert done.outcome == "unread"


@pytest.mark.parametrize("how", ["send", "sendall"])
@pytest.mark.parametrize("kind", ["tcp-threading", "unix-threading"])
def test_client_that_reads_slowly_is_served(kind: str, how: str, socket_dir: Path) -> None:
    """The whole takes many times the limit, which is on silence alone."""
    if (kind, how) == ("unix-threading", "send"):
        pytest.skip("of one send() to a local peer the kernel tells no progress")
    pause = threading.Event()
    make = factory(kind, sending(how, []), socket_dir)
    with (
        watched(make, limits=Limits(send_timeout_s=1.0)) as w,
        caller(w.server) as client,
    ):
        got = 0
        while got < len(BIG):
            got += len(client.recv(512 * 1024, socket.MSG_WAITALL))
            pause.wait(0.1)
        assert got == len(BIG)
        client.close()
        (done,) = w.heard.wait_for(RequestFinished)
        assert (done.outcome, done.sent.total) == ("ok", len(BIG))


def test_handler_that_waits_for_its_client_is_not_cut() -> None:
    limits = Limits(send_timeout_s=0.05)
    with (
        watched(lambda: sockcore.ThreadingTCPServer(LOOPBACK, Echo), limits=limits) as w,
        caller(w.server) as client,
    ):
        assert not threading.Event().wait(0.4)  # several ticks of silence
        client.sendall(b"still here")
        assert client.recv(99) == b"still here"
        assert w.server.connections() != []


class Answering(sockcore.BaseRequestHandler):
    raised: list[BaseException]

    def handle(self) -> None:
        data, answers = self.request
        try:
            answers.sendto(data, self.client_address)
        except SendBufferFull as error:
            self.raised.append(error)
            raise


@pytest.mark.parametrize("set_late", [False, True])
def test_local_datagrams_to_a_client_that_never_reads(set_late: bool, socket_dir: Path) -> None:
    """Its queue holds about ten; the serial server would wait for it for ever."""
    raised: list[BaseException] = []
    handler = type("Handler", (Answering,), {"raised": raised})
    limits = Limits(send_timeout_s=SHORT_S)
    make = factory("unix-datagram-single", handler, socket_dir)
    with (
        watched(make, limits=None if set_late else limits) as w,
        # Not connected: what waits for one that is would fill the buffer that all share.
        datagrams(str(socket_dir / "deaf"), socket.AF_UNIX) as deaf,
        datagrams(str(socket_dir / "client"), socket.AF_UNIX) as client,
    ):
        deaf.setblocking(False)

        def asks_on() -> None:
            with contextlib.suppress(BlockingIOError):
                deaf.sendto(b"x", w.server.address)

        def stuck() -> bool:
            asks_on()
            totals = w.server.totals()
            return totals.bytes_in > totals.bytes_out

        def failed() -> bool:
            asks_on()
            return bool(raised)

        eventually(stuck)
        w.server.limits = limits
        eventually(failed)
        done = [e for e in w.heard.wait_for(RequestFinished, 2) if e.outcome != "ok"]
        assert {(e.outcome, e.closed_by) for e in done} <= {("unread", "unread")}
        client.sendto(b"hello", w.server.address)
        assert client.recv(99) == b"hello"


@contextlib.contextmanager
def flooding(client: socket.socket) -> Iterator[list[OSError]]:
    """The client sends without end until it cannot any more: then there is the error."""
    ended: list[OSError] = []

    def flood() -> None:
        try:
            while True:
                client.sendall(bytes(65536))
        except OSError as error:
            ended.append(error)

    with in_thread(flood):
        yield ended


@pytest.mark.parametrize("by", ["panel", "idle"])
def test_flooding_client_notices_that_it_was_cut(by: str) -> None:
    """Its handler never reads, and does not end: all buffers are full when it is cut."""
    with (
        gate() as g,
        watched(lambda: sockcore.ThreadingTCPServer(LOOPBACK, g.handler())) as w,
        caller(w.server) as client,
        flooding(client) as ended,
    ):
        g.wait_entered()
        eventually(lambda: _is_full(client))
        if by == "panel":
            assert w.server.disconnect(1)
        else:
            w.server.limits = Limits(idle_timeout_s=0.05)
        eventually(lambda: ended)
        assert isinstance(ended[0], BrokenPipeError | ConnectionResetError)
        assert w.server.connections() == []
        g.open.set()


def _is_full(client: socket.socket) -> bool:
    _, writable, _ = select.select([], [client], [], 0)
    return not writable


def test_local_flooding_client_notices_too(socket_dir: Path) -> None:
    with (
        gate() as g,
        watched(factory("unix-threading", g.handler(), socket_dir)) as w,
        caller(w.server) as client,
        flooding(client) as ended,
    ):
        g.wait_entered()
        eventually(lambda: _is_full(client))
        assert w.server.disconnect(1)
        eventually(lambda: ended)
        g.open.set()


def test_what_a_cut_client_sent_before_is_not_on_the_tape_unless_it_was_read(
    socket_dir: Path,
) -> None:
    read: list[Any] = []

    with gate() as g:

        class Late(sockcore.BaseRequestHandler):
            def handle(self) -> None:
                g.pass_through()
                with contextlib.suppress(OSError):
                    read.append(self.request.recv(99))

        with (
            watched(factory("tcp-threading", Late, socket_dir)) as w,
            caller(w.server) as client,
        ):
            client.sendall(b"unheard")
            g.wait_entered()
            assert w.server.disconnect(1)
            g.open.set()
            (done,) = w.heard.wait_for(RequestFinished)
            assert (done.outcome, done.received.total, read) == ("disconnected", 0, [b""])
            assert read_all(client) == b""
