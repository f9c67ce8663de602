"""R1: ten thousand connections that say nothing cost little, and nothing once they are gone.

Under the event and pool models at most 6 KiB each, 60 MiB in all; 40 KiB each, 400 MiB in all,
where each has a thread. Descriptors and threads are back within 5 s.
"""

from __future__ import annotations

import pytest

from tests.promises.proc import figures, rss
from tests.promises.serving import Crowd, Served, back_to, client_of, short_and_full, tcp
from tests.waiting import eventually

KIB = 1024

#: Bytes of memory that an idle connection may cost.
MOST = {"event": 6 * KIB, "pool": 6 * KIB, "threading": 40 * KIB}

#: Seconds until all is given back: three times what is promised.
BACK_S = 3 * 5.0


@short_and_full("count", 2_000, 10_000)
@pytest.mark.parametrize("model", MOST)
def test_r01_idle_connections(model: str, count: int) -> None:
    # A pool is bounded, so its threads do not grow with what is idle: they are scaled here.
    threads = {"max_threads": None if model == "threading" else count // 10}
    handler = "EchoMessage" if model == "event" else "EchoLines"
    with Served(tcp(model), handler, attributes=threads) as server, Crowd() as crowd:
        _ask(server, b"first\n")  # what serving needs at first use is there after it
        base, base_rss = figures(server.pid), rss(server.pid)
        crowd.ask("connect", address=server.address, count=count)
        # The first one may not have been closed yet when they were counted.
        eventually(lambda: figures(server.pid).descriptors >= base.descriptors - 1 + count)
        _ask(server, b"beside them\n")
        assert rss(server.pid) - base_rss <= count * MOST[model]
        crowd.ask("leave")
        back_to(base, server.pid, BACK_S)
        _ask(server, b"after them\n")


def _ask(server: Served, words: bytes) -> None:
    with client_of(server.address) as client:
        client.sendall(words)
        assert client.recv(99) == words
