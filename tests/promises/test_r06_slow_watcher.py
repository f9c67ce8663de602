"""R6: a watcher that does not listen slows no other.

A thousand events wait for it, which may still come; what is more is dropped, and told of by one
gap with its number.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from app.services.live import QUEUE_LIMIT
from tests.clients import Client
from tests.promises.remote import Program
from tests.promises.serving import short_and_full
from tests.promises.visiting import header
from tests.running import Json, RunningApp, definition
from tests.waiting import equal, eventually

#: Events a second, about; more than one watcher can be told of on a slow machine.
RATE = 5_000

#: Before that so many for a while, which are as many as there is room for on the way.
FIRST_RATE, FIRST_S = 500, 2.0

#: Bytes of what is on the way to one that does not listen: few, so that its queue fills soon.
_ROOM = 4096


@short_and_full("flood_s", 2.0, 20.0)
def test_r06_slow_watcher(app_process: RunningApp, flood_s: float) -> None:
    app = app_process
    server = app.api.post("servers", definition("udp"))
    with _watcher(app, room=_ROOM) as stopped, _watcher(app) as quick:
        with _standing_still(stopped):
            _flood(server, FIRST_S, FIRST_RATE)
            _flood(server, flood_s, RATE)
            eventually(lambda: _is_all_told(app, server, quick))
        heard = eventually(lambda: _heard_as_much(stopped, quick))
        assert len(heard["gaps"]) == 1
        # What waited for it, and what was on the way before its queue was full.
        assert 0 <= heard["events"]["request"] - QUEUE_LIMIT <= 2 * FIRST_S * FIRST_RATE
        with Client(server) as client:
            client.ask(b"one more")
        for watcher in (stopped, quick):
            equal(partial(_last, watcher), "one more")
        assert len(stopped.ask("report")["gaps"]) == 1


@contextmanager
def _watcher(app: RunningApp, **spec: object) -> Iterator[Program]:
    with Program("watcher", port=app.port, asked=header("/api/v1/events").decode(), **spec) as it:
        yield it


@contextmanager
def _standing_still(program: Program) -> Iterator[None]:
    os.kill(program.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(program.pid, signal.SIGCONT)


def _flood(server: Json, seconds: float, rate: int) -> None:
    """Datagrams at a steady rate. Some may be lost: they are events of nobody then."""
    pause = threading.Event()
    began, sent = time.monotonic(), 0
    with Client(server) as client:
        while (passed := time.monotonic() - began) < seconds:
            while sent < passed * rate:
                client.send(b"datagram %d" % sent)
                sent += 1
            pause.wait(0.005)


def _all(report: Json) -> int:
    """Events that one heard or was told to have missed; states of servers are told when asked."""
    events: int = sum(n for topic, n in report["events"].items() if topic not in ("server", "gap"))
    gaps: list[int] = report["gaps"]
    return events + sum(gaps)


def _last(program: Program) -> object:
    """What the last request that it was told of said."""
    return program.ask("report")["last"]


def _is_all_told(app: RunningApp, server: Json, quick: Program) -> bool:
    """Does one that listens know of all of it?"""
    total: int = app.api.get(f"servers/{server['name']}")["requests_total"]
    report = quick.ask("report")
    assert total > 2 * QUEUE_LIMIT
    return _all(report) >= total


def _heard_as_much(stopped: Program, quick: Program) -> Any:
    report = stopped.ask("report")
    assert _all(report) == _all(quick.ask("report"))
    return report
