"""R37: the process is stopped for a while and goes on. Nobody who is well is cut for it, nothing
is in the log twice, and the log says that nobody was at home."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from app.times import microseconds
from tests.clients import Client, clients
from tests.promises.serving import short_and_full
from tests.running import Json, RunningApp, definition
from tests.waiting import equal, eventually

CLIENTS = 20


def _stand_still(app: RunningApp, seconds: float) -> None:
    os.kill(app.pid, signal.SIGSTOP)
    threading.Event().wait(seconds)
    os.kill(app.pid, signal.SIGCONT)


def _lasted_s(gap: Json) -> float:
    assert gap["missing"] is None
    return (microseconds(gap["ended_at"]) - microseconds(gap["began_at"])) / 1_000_000


@pytest.mark.parametrize("concurrency", ["pool", "event", "threading"])
@short_and_full(("still_s", "idle_s"), (3.0, 2.0), (30.0, 10.0))
def test_r37_streams(
    app_process: RunningApp, concurrency: str, still_s: float, idle_s: float
) -> None:
    api = app_process.api
    limits = {"idle_timeout_s": idle_s}
    server = api.post("servers", definition(name="echo", concurrency=concurrency, limits=limits))
    with clients(server, CLIENTS) as connected:
        for number, client in enumerate(connected):
            assert client.ask(b"before %d" % number) == b"before %d" % number
        _stand_still(app_process, still_s)
        for number, client in enumerate(connected):
            assert client.ask(b"after %d" % number) == b"after %d" % number
        for client in connected:
            client.end()
        rows = api.finished("echo", CLIENTS)
        assert {row["outcome"] for row in rows} == {"ok"}
    said = sorted(row["preview"] for row in rows)
    assert said == sorted(f"before {n}after {n}" for n in range(CLIENTS))
    assert max(map(_lasted_s, eventually(lambda: api.gaps("stalled")))) >= still_s * 0.9
    assert app_process.stop() == 0


@short_and_full(("still_s", "idle_s"), (3.0, 2.0), (30.0, 10.0))
def test_r37_what_is_said_meanwhile_is_answered(
    app_process: RunningApp, still_s: float, idle_s: float
) -> None:
    api = app_process.api
    limits = {"idle_timeout_s": idle_s}
    stream = api.post("servers", definition(name="stream", limits=limits))
    datagrams = api.post("servers", definition("udp", name="datagrams", limits=limits))
    with Client(stream) as client, Client(datagrams) as sender:
        assert client.ask(b"one") == b"one"
        assert sender.ask(b"one") == b"one"
        os.kill(app_process.pid, signal.SIGSTOP)
        client.send(b"two")
        sender.send(b"two")
        threading.Event().wait(still_s)
        os.kill(app_process.pid, signal.SIGCONT)
        assert client.sock.recv(10) == b"two"
        assert sender.sock.recv(10) == b"two"
        # The limit is none the less one: who is silent while we listen is cut.
        equal(lambda: client.sock.recv(10), b"")
        rows = api.finished("stream", 1)
        assert [row["outcome"] for row in rows] == ["idle"]
    assert len(api.finished("datagrams", 2)) == 2
