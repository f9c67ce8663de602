"""R29: hundreds of thousands of requests leave nothing behind.

Memory grows by at most 5 MiB once it is warm; descriptors and threads stay as they are.
"""

from __future__ import annotations

import pytest

from tests.promises.proc import figures, rss
from tests.promises.serving import (
    CONCURRENT,
    RUN,
    Crowd,
    Served,
    back_to,
    room_for,
    short_and_full,
    tcp,
)
from tests.waiting import equal

#: Bytes that may come on top.
MOST = 5 * 1024 * 1024

#: Clients that stay, and among whom the messages are.
CLIENTS = 10


@short_and_full(("connections", "messages"), (500, 2_000), (200_000, 800_000), full_s=600)
@pytest.mark.parametrize("model", ["single", *CONCURRENT])
def test_r29_soak(model: str, connections: int, messages: int) -> None:
    handler = "EchoMessage" if model == "event" else "EchoLines"
    if model == "forking":
        connections //= 10
    clients = 1 if model == "single" else CLIENTS
    with (
        Served(
            tcp(model),
            handler,
            run=RUN.get(model, "BackgroundServer"),
            attributes=room_for(model, 2 * CLIENTS),
        ) as server,
        Crowd() as crowd,
    ):
        crowd.churn(server.address, connections // 5)
        crowd.ask("talk", address=server.address, clients=clients, rounds=messages // 5 // clients)
        warm = connections // 5 + clients
        equal(lambda: server.report()["outcomes"], {"ok": warm})
        base, base_rss = figures(server.pid), rss(server.pid)

        crowd.churn(server.address, connections)
        crowd.ask("talk", address=server.address, clients=clients, rounds=messages // clients)
        total = warm + connections + clients
        equal(lambda: server.report()["outcomes"], {"ok": total})
        assert rss(server.pid) - base_rss <= MOST
        back_to(base, server.pid, 20)
        equal(lambda: server.report()["totals"]["requests_total"], total)
        equal(lambda: server.report()["totals"]["connections"], 0)
