"""R28: a hundred clients that connect to TLS and say nothing hold up nobody.

A good handshake beside them takes at most 200 ms. They are cut when the time for it is over.
"""

from __future__ import annotations

import time

import pytest

from tests.app.soon import PATIENCE
from tests.certificates import Certificates
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
from tests.sockcore.secure import secured
from tests.waiting import DEADLINE_S, equal

SILENT, GOOD = 100, 20

#: Seconds for a good handshake: three times what is promised.
GOOD_S = 3 * 0.2 * PATIENCE


@short_and_full("timeout_s", 1.5, 5.0)
@pytest.mark.parametrize("model", CONCURRENT)
def test_r28_silent_tls_clients(model: str, timeout_s: float, certificates: Certificates) -> None:
    pair = certificates.server
    context = certificates.trusting()
    with (
        Served(
            tcp(model),
            "EchoMessage" if model == "event" else "EchoLines",
            run=RUN[model],
            tls=(pair.certificate, pair.private_key),
            limits={"handshake_timeout_s": timeout_s},
            attributes=room_for(model, SILENT + GOOD),
        ) as server,
        Crowd() as crowd,
    ):
        crowd.ask("connect", address=server.address, count=SILENT)
        # On a busy machine the first may be cut before the last has a process.
        equal(lambda: server.report()["totals"]["connections_total"], SILENT)
        took = []
        for _ in range(GOOD):
            began = time.monotonic()
            with secured(client_of(server.address), context) as client:
                took.append(time.monotonic() - began)
                client.sendall(b"at once\n")
                assert client.recv(99) == b"at once\n"
        assert max(took) <= GOOD_S

        cut_after = crowd.ask("wait", timeout_s=DEADLINE_S, ends=SILENT)
        assert len(cut_after) == SILENT
        assert min(cut_after) >= timeout_s * 0.99  # two clocks: one began a little earlier
        equal(lambda: server.report()["outcomes"], {"ok": GOOD, "handshake": SILENT})
        assert server.said() == ""
