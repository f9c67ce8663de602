"""Over and over: descriptors, threads and records come back to where they were."""

from __future__ import annotations

import gc
import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import sockcore
from sockcore import (
    BackgroundServer,
    ConnectionClosed,
    ConnectionOpened,
    Limits,
    RequestFinished,
    Totals,
)
from tests.descriptors import count as descriptors_open
from tests.sockcore.serving import ask, connect, join, running, wait_until
from tests.sockcore.watching import KINDS, LOOPBACK, NEVER_S, Echo, factory, question, watched

pytestmark = pytest.mark.usefixtures("leaves_nothing")

each_kind = pytest.mark.parametrize("kind", KINDS)


def live_records() -> int:
    """How many connections and requests are kept somewhere."""
    gc.collect()
    return sum(
        type(each).__name__ in ("Connection", "Request", "Tape", "ObservedSocket")
        for each in gc.get_objects()
    )


@contextmanager
def no_record_left() -> Iterator[None]:
    before = live_records()
    yield
    wait_until(lambda: live_records() <= before, "the end of all records")


def started_and_stopped(times: int, kind: str, folder: Path) -> None:
    server = BackgroundServer(factory(kind, Echo, folder, allow_reuse_address=True))
    descriptors: set[int] = set()
    for _ in range(times):
        with server:
            assert question(server, kind, folder, b"x") == b"x"
            assert server.stop(NEVER_S) == 0
        descriptors.add(descriptors_open())
    assert max(descriptors) - min(descriptors) <= 2  # the client's may still be closing


@each_kind
def test_fifty_runs_leave_nothing(kind: str, socket_dir: Path) -> None:
    started_and_stopped(50, kind, socket_dir)


@pytest.mark.torture
@pytest.mark.timeout(300)
@each_kind
def test_five_hundred_runs_leave_nothing(kind: str, socket_dir: Path) -> None:
    started_and_stopped(500, kind, socket_dir)


@pytest.mark.parametrize("kind", ["tcp-threading", "tcp-single", "unix-threading"])
def test_two_thousand_connections_leave_nothing_but_their_count(
    kind: str, socket_dir: Path
) -> None:
    with no_record_left(), watched(factory(kind, Echo, socket_dir)) as w:
        clients = [
            threading.Thread(
                target=lambda: [question(w.server, kind, socket_dir, b"12345") for _ in range(500)]
            )
            for _ in range(4)
        ]
        for client in clients:
            client.start()
        for client in clients:
            join(client)
        w.heard.wait_for(RequestFinished, 2000)
        assert w.server.totals() == Totals(
            connections_total=2000, requests_total=2000, bytes_in=10_000, bytes_out=10_000
        )
        assert w.server.connections() == []
        assert len(w.heard.of(ConnectionOpened)) == len(w.heard.of(ConnectionClosed)) == 2000
        assert {e.request_id for e in w.heard.of(RequestFinished)} == set(range(1, 2001))
        wait_until(lambda: not answering(), "the end of the handlers' threads")


def test_thousands_of_datagram_peers_leave_no_more_than_the_limit(socket_dir: Path) -> None:
    kind = "udp-threading"
    limits = Limits(max_connections=50)
    with no_record_left(), watched(factory(kind, Echo, socket_dir), limits=limits) as w:
        for _ in range(1000):
            assert question(w.server, kind, socket_dir, b"12345") == b"12345"
        w.heard.wait_for(RequestFinished, 1000)
        totals = w.server.totals()
        assert (totals.connections, totals.requests_total) == (50, 1000)
        assert (totals.bytes_in, totals.bytes_out) == (5000, 5000)
        assert len(w.server.connections()) == 50


def answering() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if "process_request" in name]


def test_threads_of_a_plain_server_are_not_gathered() -> None:
    """Threads that are waited for at the close, as the default is."""
    with running(sockcore.ThreadingTCPServer(LOOPBACK, Echo)) as server:
        most = 0
        for _ in range(2000):
            assert ask(server.server_address, b"x") == b"x"
            most = max(most, len(server._threads))
        # Those that lived at one time count twice; there is one client at a time.
        assert most <= 40


def test_background_server_gathers_no_threads_at_all() -> None:
    with BackgroundServer(lambda: sockcore.ThreadingTCPServer(LOOPBACK, Echo)) as server:
        assert ask(server.address, b"x") == b"x"
        assert "_threads" not in vars(server._server)


def coming_and_going(server: BackgroundServer, until: float, seed: int) -> tuple[int, int]:
    """Be one client after another, some rude. Returns: connections made, bytes echoed."""
    chance = random.Random(seed)
    made = echoed = 0
    while time.monotonic() < until:
        with connect(server.address) as client:
            made += 1
            for _ in range(chance.randrange(4)):
                data = chance.randbytes(chance.randrange(1, 3000))
                client.sendall(data)
                got = 0
                while got < len(data):
                    got += len(client.recv(65536))
                echoed += got
    return made, echoed


@pytest.mark.torture
@pytest.mark.timeout(180)
def test_five_hundred_clients_coming_and_going() -> None:
    sums: list[tuple[int, int]] = []
    with (
        no_record_left(),
        watched(lambda: sockcore.ThreadingTCPServer(LOOPBACK, Echo)) as w,
    ):
        until = time.monotonic() + 20
        clients = [
            threading.Thread(
                target=lambda n=number: sums.append(coming_and_going(w.server, until, n))
            )
            for number in range(500)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join(120)
        made, echoed = (sum(column) for column in zip(*sums, strict=True))
        assert len(sums) == 500
        w.heard.wait_for(RequestFinished, made)
        assert w.server.totals() == Totals(
            connections_total=made, requests_total=made, bytes_in=echoed, bytes_out=echoed
        )
        assert w.server.connections() == []
        assert sum(e.sent.total for e in w.heard.of(RequestFinished)) == echoed
        wait_until(lambda: not answering(), "the end of the handlers' threads")
