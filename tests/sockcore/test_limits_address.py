"""How many connections one address may have, however many threads accept at once."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

import sockcore
from sockcore import ConnectionOpened, ConnectionRefused, Limits
from sockcore.streams import Stream
from sockcore.table import ConnectionTable
from tests.sockcore.records import stream
from tests.sockcore.serving import DEADLINE_S, join, read_all
from tests.sockcore.watching import LOOPBACK, Echo, Watched, caller, factory, watched
from tests.waiting import eventually


def caller_from(w: Watched, host: str) -> socket.socket:
    client = socket.socket()
    client.settimeout(DEADLINE_S)
    client.bind((host, 0))
    client.connect(w.server.address)
    return client


def echoes(client: socket.socket) -> bool:
    client.sendall(b"x")
    return client.recv(1) == b"x"


def is_turned_away(w: Watched) -> bool:
    with caller(w.server) as client:
        return read_all(client) == b""


@pytest.mark.parametrize("kind", ["tcp-threading", "tcp-pool"])
def test_each_address_has_its_own_limit(kind: str, socket_dir: Path) -> None:
    limits = Limits(max_connections_per_address=2)
    with (
        watched(factory(kind, Echo, socket_dir), limits=limits) as w,
        ExitStack() as stack,
    ):
        first, _second, other = (
            stack.enter_context(caller_from(w, host))
            for host in ("127.0.0.1", "127.0.0.1", "127.0.0.2")
        )
        w.heard.wait_for(ConnectionOpened, 3)
        with caller_from(w, "127.0.0.1") as third:
            assert read_all(third) == b""
        (refused,) = w.heard.wait_for(ConnectionRefused)
        assert refused.reason == "the limit of 2 connections from one address is reached"
        assert refused.peer.startswith("127.0.0.1:")
        assert echoes(first)
        assert echoes(other)
        totals = w.server.totals()
        assert (totals.refused_total, totals.requests_total, totals.connections_total) == (1, 3, 3)
        first.close()
        eventually(lambda: w.server.totals().connections == 2)
        assert echoes(stack.enter_context(caller_from(w, "127.0.0.1")))


def test_it_counts_those_who_were_there_before_it_was_set() -> None:
    with (
        watched(lambda: sockcore.ThreadingTCPServer(LOOPBACK, Echo)) as w,
        caller(w.server),
        caller(w.server) as second,
    ):
        w.heard.wait_for(ConnectionOpened, 2)
        w.server.limits = Limits(max_connections_per_address=2)
        assert is_turned_away(w)
        w.server.limits = Limits()
        with caller(w.server) as third:
            assert echoes(third)
            w.server.limits = Limits(max_connections_per_address=2)
            second.close()
            eventually(lambda: w.server.totals().connections == 2)
            assert is_turned_away(w)
        assert w.server.totals().refused_total == 2


def test_local_clients_have_no_address_to_count_by(socket_dir: Path) -> None:
    limits = Limits(max_connections_per_address=1)
    with (
        watched(factory("unix-threading", Echo, socket_dir), limits=limits) as w,
        caller(w.server) as first,
        caller(w.server) as second,
    ):
        assert echoes(first)
        assert echoes(second)


@pytest.mark.parametrize(
    "limits", [Limits(max_connections=10), Limits(max_connections_per_address=10)]
)
def test_threads_that_accept_at_once_do_not_exceed_it(limits: Limits) -> None:
    """Eight of them race for ten places, again and again."""
    lock = threading.Lock()
    table = ConnectionTable(lock)
    start = threading.Barrier(8)
    admitted: list[Stream] = []

    def accept(numbers: range) -> None:
        start.wait(DEADLINE_S)
        for number in numbers:
            connection = stream(number)
            with lock:
                refused = table.admit_locked(connection, limits)
            if refused is None:
                assert len(table) <= 10
                admitted.append(connection)
                with lock:
                    table.remove_locked(connection)

    threads = [
        threading.Thread(target=accept, args=(range(n * 1000, n * 1000 + 500),)) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        join(thread)
    assert admitted
    refusals = [table.admit_locked(stream(n), limits) for n in range(11)]
    assert refusals[:10] == [None] * 10
    assert refusals[10] is not None


def test_pool_that_accepts_in_many_threads_never_has_more_than_the_limit(socket_dir: Path) -> None:
    most = 5
    make = factory("tcp-pool", Echo, socket_dir, max_threads=16)
    with watched(make, limits=Limits(max_connections=most)) as w, ExitStack() as stack:
        clients = [stack.enter_context(caller(w.server)) for _ in range(60)]
        eventually(lambda: w.server.totals().refused_total == len(clients) - most)
        assert w.server.totals().connections == most
        w.heard.wait_for(ConnectionRefused, len(clients) - most)
        assert len(w.heard.of(ConnectionOpened)) == most
