"""R25: a thousand handlers a second that raise do no harm.

Each is counted; the text of a traceback is kept once for all that failed alike. A failure costs
less than a millisecond of the processor.
"""

from __future__ import annotations

import socket
import struct

import pytest

from tests.promises.proc import cpu_s, figures, rss
from tests.promises.serving import CONCURRENT, RUN, Served, back_to, client_of, short_and_full, tcp
from tests.waiting import equal

#: Seconds of the processor that a failure may cost: three times what a thousand a second have.
#: A process that is forked for it costs more.
COST_S = {**dict.fromkeys(["single", *CONCURRENT], 3 * 0.001), "forking": 3 * 0.005}

#: Bytes that may be kept of all of them.
MOST = 5 * 1024 * 1024


@short_and_full("count", 500, 20_000)
@pytest.mark.parametrize("model", ["single", *CONCURRENT])
def test_r25_raising_handlers(model: str, count: int) -> None:
    with Served(tcp(model), "Raising", run=RUN.get(model, "BackgroundServer")) as server:
        for _ in range(100):  # what failing needs at first use is there after it
            _ask(server)
        equal(lambda: server.report()["outcomes"], {"error": 100})
        base, base_rss, used = figures(server.pid), rss(server.pid), cpu_s(server.pid)
        for _ in range(count):
            _ask(server)
        equal(lambda: server.report()["outcomes"], {"error": 100 + count})
        assert cpu_s(server.pid) - used <= count * COST_S[model]
        assert rss(server.pid) - base_rss <= MOST
        back_to(base, server.pid, 20)
        equal(lambda: server.report()["totals"]["errors_total"], 100 + count)
        report = server.report()
        assert report["state"] == "running"
        assert report["errors"] == 1
        # In a host the text crosses to us each time; where it is made it is the same one.
        assert report["copies"] == 0 or RUN.get(model) == "HostedServer"


def _ask(server: Served) -> None:
    with client_of(server.address) as client:
        client.sendall(b"the same each time")
        assert client.recv(1) == b""
        # No port of ours stays taken by a closed connection: there are not so many.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
