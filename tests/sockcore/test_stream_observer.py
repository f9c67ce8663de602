"""Watched connections: how each way to end one is told, limits, and sockets that are dropped."""

from __future__ import annotations

import gc
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import sockcore
from sockcore import (
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRefused,
    Event,
    Limits,
    RequestFinished,
)
from tests.sockcore.serving import read_all, wait_until
from tests.sockcore.watching import (
    LOOPBACK,
    NEVER_S,
    STREAMS,
    Echo,
    Heard,
    Watched,
    caller,
    factory,
    gate,
    question,
    watched,
)
from tests.sockcore.wires import exactly

each_kind = pytest.mark.parametrize("kind", STREAMS)


@contextmanager
def echoing(kind: str, folder: Path, limits: Limits | None = None) -> Iterator[Watched]:
    with watched(factory(kind, Echo, folder), limits=limits) as w:
        yield w


def finished(w: Watched, count: int = 1) -> RequestFinished:
    """The latest finished request, once there are `count`; closed the same way."""
    done = w.heard.wait_for(RequestFinished, count)[-1]
    closed = w.heard.wait_for(ConnectionClosed, count)[-1]
    assert (closed.connection_id, closed.closed_by) == (done.connection_id, done.closed_by)
    assert closed.peer == done.peer
    return done


@each_kind
def test_ended_by_the_client(kind: str, socket_dir: Path) -> None:
    with echoing(kind, socket_dir) as w:
        caller(w.server).close()
        done = finished(w)
        assert (done.outcome, done.closed_by) == ("ok", "client")


@each_kind
def test_ended_by_the_handler(kind: str, socket_dir: Path) -> None:
    class Leaving(sockcore.StreamRequestHandler):
        speaks_first = True

        def handle(self) -> None:
            self.wfile.write(b"bye")

    with watched(factory(kind, Leaving, socket_dir)) as w:
        with caller(w.server) as client:
            assert read_all(client) == b"bye"
            done = finished(w)
        assert (done.outcome, done.closed_by) == ("ok", "handler")
        assert done.sent == exactly(b"bye")


@each_kind
def test_cut_by_hand(kind: str, socket_dir: Path) -> None:
    with echoing(kind, socket_dir) as w, caller(w.server) as client:
        client.sendall(b"hello")
        assert client.recv(9) == b"hello"
        (info,) = w.server.connections()
        assert w.server.disconnect(info.id)
        assert read_all(client) == b""
        done = finished(w)
        assert (done.outcome, done.closed_by) == ("disconnected", "panel")
        assert done.received == exactly(b"hello")
        assert not w.server.disconnect(info.id)
        assert w.server.totals().errors_total == 0


def test_cut_connection_is_gone_from_the_list_before_its_handler_is_done() -> None:
    with (
        gate() as closed,
        watched(lambda: sockcore.ThreadingTCPServer(LOOPBACK, closed.handler())) as w,
        caller(w.server) as client,
    ):
        closed.wait_entered()
        assert w.server.disconnect(1)
        assert w.server.connections() == []
        assert w.server.totals().connections == 0
        assert not w.server.disconnect(1)
        assert read_all(client) == b""
        assert w.heard.of(RequestFinished) == []
        closed.open.set()
        assert finished(w).outcome == "disconnected"


@each_kind
def test_cut_for_being_idle(kind: str, socket_dir: Path) -> None:
    limits = Limits(idle_timeout_s=0.05)
    with echoing(kind, socket_dir, limits) as w, caller(w.server) as client:
        assert read_all(client) == b""
        done = finished(w)
        assert (done.outcome, done.closed_by) == ("idle", "idle")


@each_kind
def test_ended_by_the_stop(kind: str, socket_dir: Path) -> None:
    with echoing(kind, socket_dir) as w, caller(w.server) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        w.server.stop(NEVER_S)
        done = finished(w)
        assert (done.outcome, done.closed_by) == ("stopped", "stop")
        assert read_all(client) == b""


@pytest.mark.parametrize("kind", ["tcp-single", "tcp-threading"])
def test_reset_by_the_client_is_no_error(kind: str, socket_dir: Path) -> None:
    with echoing(kind, socket_dir) as w:
        with caller(w.server) as client:
            client.sendall(b"x")
            assert client.recv(1) == b"x"
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        done = finished(w)
        assert (done.outcome, done.closed_by, done.error) == ("reset", "client", None)
        assert w.server.totals().errors_total == 0


def test_a_refused_connection_elsewhere_is_the_handlers_error() -> None:
    """A ConnectionError that this client has nothing to do with."""

    class Calling(sockcore.BaseRequestHandler):
        def handle(self) -> None:
            raise ConnectionRefusedError("the database is down")

    with watched(lambda: sockcore.TCPServer(LOOPBACK, Calling)) as w:
        caller(w.server).close()
        done = finished(w)
        assert (done.outcome, done.closed_by) == ("error", "handler")


def test_who_is_connected(socket_dir: Path) -> None:
    with echoing("tcp-threading", socket_dir) as w, ExitStack() as open_ones:
        clients = [open_ones.enter_context(caller(w.server)) for _ in range(3)]
        for number, client in enumerate(clients):
            client.sendall(b"%d" % number * 40)
            assert len(client.recv(99)) == 40
        wait_until(lambda: w.server.totals().bytes_out == 120, "the count of the last answer")
        infos = w.server.connections()
        assert [info.id for info in infos] == [1, 2, 3]
        assert [info.peer for info in infos] == [
            "{}:{}".format(*client.getsockname()) for client in clients
        ]
        assert [info.last_bytes for info in infos] == [b"%d" % n * 32 for n in range(3)]
        assert all((info.bytes_in, info.bytes_out) == (40, 40) for info in infos)
        assert len({info.fileno for info in infos}) == 3
        assert all("process_request_thread" in (info.thread or "") for info in infos)
        assert w.server.totals().connections == 3


def test_handler_of_a_serial_server_is_answered_by_the_loop(socket_dir: Path) -> None:
    with echoing("tcp-single", socket_dir) as w, caller(w.server) as client:
        client.sendall(b"x")
        assert client.recv(1) == b"x"
        (info,) = w.server.connections()
        assert info.thread == "server:hall"


@pytest.mark.parametrize("kind", ["tcp-threading", "unix-threading"])
def test_over_the_limit_is_refused_and_counted(kind: str, socket_dir: Path) -> None:
    with (
        echoing(kind, socket_dir, Limits(max_connections=2)) as w,
        caller(w.server),
        caller(w.server) as second,
    ):
        w.heard.wait_for(ConnectionOpened, 2)
        with caller(w.server) as third:
            (refused,) = w.heard.wait_for(ConnectionRefused)
            assert read_all(third) == b""
            if kind == "tcp-threading":
                assert refused.peer == "{}:{}".format(*third.getsockname())
        assert refused.server == "hall"
        assert "limit of 2 connections" in refused.reason
        second.close()
        w.heard.wait_for(RequestFinished)
        assert question(w.server, kind, socket_dir, b"now") == b"now"
        w.heard.wait_for(RequestFinished, 2)
        totals = w.server.totals()
        assert (totals.refused_total, totals.connections_total) == (1, 3)
        assert (totals.requests_total, totals.connections) == (3, 1)


def test_limits_may_change_while_serving() -> None:
    with (
        watched(lambda: sockcore.ThreadingTCPServer(LOOPBACK, Echo)) as w,
        caller(w.server) as first,
    ):
        w.heard.wait_for(ConnectionOpened)
        w.server.limits = Limits(max_connections=1)
        caller(w.server).close()
        w.heard.wait_for(ConnectionRefused)
        w.server.limits = Limits(idle_timeout_s=0.05)
        assert read_all(first) == b""
        assert finished(w).outcome == "idle"
        assert w.server.limits == Limits(idle_timeout_s=0.05)


def test_request_kept_by_process_request_stays_open() -> None:
    kept: list[Any] = []

    class Keeping(sockcore.TCPServer):
        def process_request(self, request: Any, client_address: Any) -> None:
            kept.append(request)

    with watched(lambda: Keeping(LOOPBACK, Echo)) as w, caller(w.server) as client:
        wait_until(lambda: kept, "the request")
        assert len(w.server.connections()) == 1
        kept[0].sendall(b"later")
        assert client.recv(9) == b"later"
        w.server._server.shutdown_request(kept.pop())  # type: ignore[union-attr]
        assert finished(w).sent == exactly(b"later")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_socket_dropped_unclosed_leaves_the_table() -> None:
    class Dropping(sockcore.TCPServer):
        def process_request(self, request: Any, client_address: Any) -> None:
            pass

    with watched(lambda: Dropping(LOOPBACK, Echo)) as w, caller(w.server) as client:
        assert read_all(client) == b""
        assert finished(w).outcome == "ok"
        assert w.server.connections() == []
        assert w.server.stop(NEVER_S) == 0


@contextmanager
def collecting_by_hand() -> Iterator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_sink_is_not_called_amid_itself_by_the_garbage_collector() -> None:
    """The collector may find a dropped socket while the sink holds a lock of its own."""

    class Dropping(sockcore.TCPServer):
        def process_request(self, request: Any, client_address: Any) -> None:
            knot: list[Any] = [request]
            knot.append(knot)

    inside: set[int] = set()
    amid: list[Event] = []
    heard = Heard()

    def sink(event: Event) -> None:
        me = threading.get_ident()
        if me in inside:
            amid.append(event)
            return
        inside.add(me)
        gc.collect()
        inside.discard(me)
        heard(event)

    with (
        collecting_by_hand(),
        watched(lambda: Dropping(LOOPBACK, Echo), sink=sink) as w,
        caller(w.server) as first,
        caller(w.server),
    ):
        assert read_all(first) == b""
        heard.wait_for(RequestFinished)
    assert amid == []
    assert len(heard.of(RequestFinished)) == 2
