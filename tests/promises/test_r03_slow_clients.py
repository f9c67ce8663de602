"""R3: hundreds of clients that send a byte now and then do not slow down those that mean it.

The slowest in a hundred exchanges of 50 good clients, beside 500 slow ones, takes at most twice
what it does without them and 50 ms. Slow ones are cut by the idle limit, within a second of it.
"""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

import pytest

from tests.promises.serving import (
    CONCURRENT,
    RUN,
    Crowd,
    Served,
    client_of,
    room_for,
    short_and_full,
    tcp,
)
from tests.waiting import equal

#: Seconds that tell slow clients from good ones, and how long after it they may be cut.
LATE_S = 1.0


@short_and_full(("slow", "good", "rounds", "idle_s"), (100, 10, 40, 1.5), (500, 50, 200, 10.0))
@pytest.mark.parametrize("model", CONCURRENT)
def test_r03_slow_clients(model: str, slow: int, good: int, rounds: int, idle_s: float) -> None:
    limits = {"idle_timeout_s": idle_s}
    handler = "EchoMessage" if model == "event" else "EchoLines"
    with (
        Served(
            tcp(model),
            handler,
            run=RUN[model],
            limits=limits,
            attributes=room_for(model, slow + good),
        ) as server,
        Crowd() as crowd,
        ExitStack() as stack,
    ):
        clients = [stack.enter_context(client_of(server.address)) for _ in range(good)]
        alone_s = _one_in_a_hundred(clients, rounds)
        # Each has said something: nothing is known of it that would tell it from a good one.
        crowd.ask("connect", address=server.address, count=slow, say="x")
        equal(lambda: server.report()["totals"]["connections"], slow + good)
        beside_s = _one_in_a_hundred(clients, rounds)
        assert beside_s <= 3 * (2 * alone_s + 0.05)

        cut_after = crowd.ask("wait", timeout_s=3 * (idle_s + LATE_S), ends=slow)
        assert len(cut_after) == slow
        assert min(cut_after) >= idle_s * 0.99  # two clocks: one began a little earlier
        equal(lambda: server.report()["outcomes"].get("idle", 0) >= slow, True)


def _one_in_a_hundred(clients: list[socket.socket], rounds: int) -> float:
    """Exchange a line with each of them, so many times; all come back.

    Returns: the 99th percentile of the seconds that took.
    """
    took: list[float] = []
    for number in range(rounds):
        line = b"line %d\n" % number
        asked_at = []
        for client in clients:
            asked_at.append(time.monotonic())
            client.sendall(line)
        for client, asked in zip(clients, asked_at, strict=True):
            assert client.recv(99) == line
            took.append(time.monotonic() - asked)
    return sorted(took)[len(took) * 99 // 100]
