"""R7: a server that is out of descriptors does not spin, says so once, and goes on by itself.

Its loop uses at most 5 % of a core while accept() fails.
"""

from __future__ import annotations

import threading

import pytest

from tests.promises.proc import cpu_s
from tests.promises.serving import (
    CONCURRENT,
    Crowd,
    Served,
    client_of,
    room_for,
    short_and_full,
    tcp,
)
from tests.waiting import equal, eventually

CLIENTS = 200

#: Descriptors that are left. Children hold the connections of a forking server, so that one is
#: out of them only when it has none at all.
ROOM = {"threading": 40, "pool": 40, "event": 40, "forking": 0}

#: Of the time that passes, the processor's: three times what is promised.
SHARE = 3 * 0.05


@short_and_full("seconds", 1.5, 20.0)
@pytest.mark.parametrize("model", CONCURRENT)
def test_r07_out_of_descriptors(model: str, seconds: float) -> None:
    run = "bare" if model == "forking" else "BackgroundServer"
    with (
        Served(tcp(model), "Echo", run=run, attributes=room_for(model, 1000)) as server,
        Crowd() as crowd,
    ):
        _ask(server)  # what serving needs at first use is there after it
        server.ask("room", count=ROOM[model])
        crowd.ask("connect", address=server.address, count=CLIENTS, say="x")
        before = eventually(lambda: _starving(server))

        used = cpu_s(server.pid)
        threading.Event().wait(seconds)  # the time over which is measured
        used = cpu_s(server.pid) - used
        after = server.report()
        assert used <= SHARE * seconds
        # A loop that waits for half a second tries twice in one; it may have several threads.
        tries = after["starved"] - before["starved"]
        assert tries <= 10 * (seconds + 1), f"{tries} in {seconds} s"
        assert len(_alarms(after)) == 1

        if ROOM[model]:
            crowd.ask("leave")
        else:
            server.ask("room", count=CLIENTS)
        _ask(server)
        equal(lambda: len(_told_of_end(server.report())), 1)
        assert len(_alarms(server.report())) == 1


def _ask(server: Served) -> None:
    with client_of(server.address) as client:
        client.sendall(b"still there?")
        assert client.recv(99) == b"still there?"


def _starving(server: Served) -> dict[str, int]:
    report: dict[str, int] = server.report()
    assert report["starved"] > 3
    return report


def _alarms(report: dict[str, list[str]]) -> list[str]:
    return [line for line in report["lines"] if "accept: Too many open files" in line]


def _told_of_end(report: dict[str, list[str]]) -> list[str]:
    return [line for line in report["lines"] if "accepting again after" in line]
