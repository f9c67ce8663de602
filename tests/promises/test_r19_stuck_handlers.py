"""R19: a stop is over within five seconds even when handlers never end, and says how many.

The port can be bound again at once.
"""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from tests.promises.proc import children
from tests.promises.serving import (
    CONCURRENT,
    RUN,
    Served,
    client_of,
    room_for,
    short_and_full,
    tcp,
)


@short_and_full(("count", "stop_s"), (20, 0.5), (100, 5.0))
@pytest.mark.parametrize("model", CONCURRENT)
def test_r19_stuck_handlers(model: str, count: int, stop_s: float) -> None:
    with (
        Served(
            tcp(model),
            "Stuck",
            run=RUN[model],
            attributes={"allow_reuse_address": True, **room_for(model, count)},
        ) as server,
        ExitStack() as stack,
    ):
        for _ in range(count):
            client = stack.enter_context(client_of(server.address))
            client.sendall(b"?")
            assert client.recv(1) == b"!"
        address, began = server.address, time.monotonic()
        assert server.ask("stop", timeout_s=stop_s) == count
        assert time.monotonic() - began <= 3 * stop_s
        assert children(server.pid) == []

        server.begin(address)
        assert server.address == address
        client = stack.enter_context(client_of(address))
        client.sendall(b"?")
        assert client.recv(1) == b"!"
        assert server.ask("stop", timeout_s=0.2) == 1
