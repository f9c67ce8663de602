"""R26: of every datagram that was sent it is known whether it was answered or thrown away.

Thrown away by the kernel, when the socket's buffer is full, or by the server, when all its
threads are busy. One that is cut since it is too long is told of as such.
"""

from __future__ import annotations

import socket

import pytest

from tests.promises.serving import Served, short_and_full
from tests.waiting import equal

MODELS: dict[str, dict[str, object]] = {
    "UDPServer": {},
    "ThreadingUDPServer": {},
    "PoolUDPServer": {"max_threads": 8, "max_queue": 200},
}

#: A datagram for each thread: as many as are sure to be had.
_MOST_THREADS = 2_000


@short_and_full("count", 3_000, 50_000)
@pytest.mark.parametrize("name", MODELS)
def test_r26_datagrams_accounted_for(name: str, count: int) -> None:
    if name.startswith("Threading"):
        count = min(count, _MOST_THREADS)
    with (
        Served(name, "Held", attributes=MODELS[name]) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.connect(server.address)
        for number in range(count):
            client.send(b"%01000d" % number)
        server.ask("open_gate")

        def known() -> int:
            totals = server.report()["totals"]
            return int(totals["requests_total"] + totals["dropped_total"])

        equal(known, count)
        report = server.report()
        equal(lambda: server.report()["outcomes"].get("ok", 0), report["totals"]["requests_total"])
        assert report["totals"]["bytes_in"] == 1000 * report["totals"]["requests_total"]
        if not name.startswith("Threading"):  # whose thread is there for every one
            assert report["totals"]["dropped_total"] > 0


@pytest.mark.parametrize("name", MODELS)
def test_r26_datagrams_that_lost_their_end(name: str) -> None:
    with (
        Served(name, "EchoDatagram", attributes={"max_packet_size": 100}) as server,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client,
    ):
        client.settimeout(20)
        client.connect(server.address)
        for size, answered in ((99, 99), (100, 100), (101, 100), (5000, 100)):
            client.send(bytes(size))
            assert len(client.recv(9999)) == answered
        equal(lambda: server.report()["outcomes"], {"ok": 4})
        assert server.report()["truncated"] == 2
