"""R5: a client that never reads what it is sent costs little, and is cut.

On an event server at most 256 KiB wait for one client, 64 MiB for all of them. Elsewhere its
handler waits, and holds what it is sending. Both are over when nothing was taken for the send
limit.
"""

from __future__ import annotations

import socket
from contextlib import ExitStack

import pytest

from tests.promises.answering import CHUNK, FLOOD_BYTES
from tests.promises.proc import rss
from tests.promises.serving import CONCURRENT, RUN, Served, room_for, short_and_full, tcp
from tests.waiting import DEADLINE_S, equal

#: Bytes that wait for one client at most, with the piece that came on top; for all of them.
MOST_OF_ONE = 256 * 1024 + len(CHUNK)
MOST = 64 * 1024 * 1024 + len(CHUNK)

#: What asks for all of it: each line is answered with a piece of it, and a newline.
ASKED = b"?\n" * (FLOOD_BYTES // len(CHUNK))

#: Bytes of a connection itself, and of the thread that it may have.
_ITSELF = 64 * 1024


@short_and_full(("count", "send_timeout_s"), (20, 0.5), (400, 30.0))
@pytest.mark.parametrize("model", CONCURRENT)
def test_r05_client_that_never_reads(model: str, count: int, send_timeout_s: float) -> None:
    limits = {"send_timeout_s": send_timeout_s}
    with (
        Served(
            tcp(model),
            "FloodingMessages",
            run=RUN[model],
            limits=limits,
            attributes=room_for(model, count),
        ) as server,
        ExitStack() as stack,
    ):
        base = rss(server.pid)
        for _ in range(count):
            stack.enter_context(_deaf(server.address)).sendall(ASKED)
        equal(lambda: server.report()["totals"]["connections_total"], count)
        most = min(MOST, count * MOST_OF_ONE) + count * _ITSELF
        peak = 0

        def all_cut() -> object:
            nonlocal peak
            peak = max(peak, rss(server.pid))
            return server.report()["outcomes"]

        equal(all_cut, {"unread": count}, 3 * send_timeout_s + DEADLINE_S)
        assert peak - base <= most
        equal(lambda: server.report()["totals"]["connections"], 0)


@pytest.mark.parametrize("model", CONCURRENT)
def test_r05_client_that_reads_late(model: str) -> None:
    """It gets all of it, however much it asked for before it began to read."""
    with (
        Served(tcp(model), "FloodingMessages", run=RUN[model]) as server,
        _deaf(server.address) as client,
    ):
        client.sendall(ASKED)
        client.shutdown(socket.SHUT_WR)
        got = 0
        while data := client.recv(1024 * 1024):
            got += len(data)
        assert got == FLOOD_BYTES + FLOOD_BYTES // len(CHUNK)
        equal(lambda: server.report()["outcomes"], {"ok": 1})


def _deaf(address: object) -> socket.socket:
    """A client with next to no room for what it is sent."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.settimeout(DEADLINE_S)
    client.connect(address)  # type: ignore[arg-type]
    return client
