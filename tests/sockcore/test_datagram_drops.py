"""Datagrams that no handler got are counted, those that lost their end are marked."""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

import pytest

import sockcore
from sockcore import ConnectionOpened, Limits, RequestFinished, RequestProgressed
from sockcore.datagram_observer import DatagramObserver
from tests.sockcore.serving import DEADLINE_S, join
from tests.sockcore.watching import (
    DATAGRAMS,
    LOOPBACK,
    Echo,
    Heard,
    Watched,
    factory,
    gate,
    sender,
    watched,
)
from tests.waiting import eventually

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")


def accounted(w: Watched) -> int:
    totals = w.server.totals()
    return totals.requests_total + totals.dropped_total


@on_linux
@pytest.mark.parametrize("count", [5_000, pytest.param(50_000, marks=pytest.mark.torture)])
@pytest.mark.parametrize("kind", ["udp-single", "udp-threading", "udp-pool"])
def test_r26_received_is_handled_and_dropped(kind: str, count: int, socket_dir: Path) -> None:
    """A flood of a handler that stands still: what the kernel and we threw away is counted."""
    room = {"max_threads": 2, "max_queue": 3} if kind == "udp-pool" else {}
    with (
        gate() as g,
        watched(factory(kind, g.handler(), socket_dir, **room)) as w,
        sender(w.server, socket_dir) as client,
    ):
        if kind == "udp-threading":
            g.open.set()  # a thread for each: what it cannot keep up with is dropped
        for _ in range(count):
            client.send(b"0123456789")
        g.open.set()
        eventually(lambda: accounted(w) == count)
        totals = w.server.totals()
        if kind != "udp-threading":
            assert totals.dropped_total > 0
        if kind == "udp-pool":
            assert totals.dropped_total >= totals.refused_total > 0
        assert w.server.stop() == 0
        assert len(w.heard.of(RequestFinished)) == totals.requests_total
        assert accounted(w) == count  # the kernel's count outlives the socket


def test_streams_drop_nothing() -> None:
    with watched(lambda: sockcore.ThreadingTCPServer(LOOPBACK, Echo)) as w:
        assert w.server.totals().dropped_total == 0


@pytest.mark.parametrize("kind", DATAGRAMS)
def test_datagram_that_lost_its_end_is_marked(kind: str, socket_dir: Path) -> None:
    make = factory(kind, Echo, socket_dir, max_packet_size=100)
    with watched(make) as w, sender(w.server, socket_dir) as client:
        for size in (99, 100, 101, 5000):
            client.send(b"x" * size)
            assert client.recv(9999) == b"x" * min(size, 100)
        done = sorted(w.heard.wait_for(RequestFinished, 4), key=lambda event: event.request_id)
    assert [event.truncated for event in done] == [False, False, True, True]
    assert [event.received.total for event in done] == [99, 100, 100, 100]


def test_mark_is_there_while_it_is_open(socket_dir: Path) -> None:
    with (
        gate() as g,
        watched(factory("udp-threading", g.handler(), socket_dir, max_packet_size=2)) as w,
        sender(w.server, socket_dir) as client,
    ):
        client.send(b"long")
        (open_request,) = w.heard.wait_for(RequestProgressed)
        assert open_request.truncated
        assert open_request.received.prefix == b"lo"
        g.open.set()


def test_without_an_observer_it_is_the_stdlib() -> None:
    class Two(sockcore.UDPServer):
        max_packet_size = 2

    with Two(LOOPBACK, Echo) as server, socket.socket(type=socket.SOCK_DGRAM) as client:
        client.sendto(b"long", server.server_address)
        (data, _), _ = server.get_request()
        assert data == b"lo"


@pytest.mark.parametrize("limits", [Limits(), Limits(max_connections=3)])
def test_threads_that_receive_at_once_meet_a_peer_once(limits: Limits) -> None:
    heard = Heard()
    observer = DatagramObserver("hall", "1", heard, limits)
    start = threading.Barrier(8)

    def receive() -> None:
        for port in range(200):
            start.wait(DEADLINE_S)
            observer.received((b"x", None), ("192.0.2.1", port))

    threads = [threading.Thread(target=receive) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        join(thread)
    observer.tick()
    opened = [event.peer for event in heard.of(ConnectionOpened)]
    assert observer.totals().requests_total == 8 * 200
    if limits.max_connections is None:
        assert opened == [f"192.0.2.1:{port}" for port in range(200)]
        assert len(observer.connections()) == 200
    else:
        assert len(observer.connections()) == limits.max_connections
