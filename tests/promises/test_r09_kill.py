"""R9: SIGKILL at any moment. Every row up to the `durable_seq` that was told is there, all of it.

What is lost is the end of what each client did, and no more; the files are whole; seqs rise; and
the log says, where it is, that something may be missing.
"""

from __future__ import annotations

import random
import signal
import socket
import sqlite3
import threading
from collections import defaultdict
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import httpx2
import pytest

from app.times import microseconds
from sockcore.telling import now_us
from tests.conftest import LaunchApp
from tests.promises.serving import short_and_full
from tests.running import Json, RunningApp, definition
from tests.waiting import DEADLINE_S, equal, eventually

CLIENTS = 4

#: Requests of one client that are over for it, and not yet for the threads that answered them.
LATE = 4


class Talker(threading.Thread):
    """Sends `<cycle>-<client>-<n>` again and again, each on a connection of its own."""

    def __init__(self, address: tuple[str, int], name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._address, self._name = address, name
        self.answered = 0
        self.start()

    def run(self) -> None:
        with suppress(OSError):  # the end of the server
            while True:
                with socket.create_connection(self._address, DEADLINE_S) as client:
                    said = f"{self._name}-{self.answered}".encode()
                    client.sendall(said)
                    client.shutdown(socket.SHUT_WR)
                    if client.recv(100) != said or client.recv(1):
                        return
                self.answered += 1


#: Where it kills itself, besides wherever we do it.
PLACES = (
    *("log.before_begin", "log.after_insert", "log.before_commit", "log.after_commit"),
    *("log.before_ack", "ckpt.mid"),
)


@short_and_full("cycles", 5, 200, full_s=1_500)
def test_r09_kill_at_a_random_moment(launch: LaunchApp, cycles: int) -> None:
    chance = random.Random(9)
    app = _with_a_server(launch)
    for cycle in range(cycles):
        talkers = _talkers(app, f"{cycle}")
        until = chance.randrange(1, 400)
        durable = eventually(partial(_durable, app, talkers, until))
        died_us = now_us()
        app.kill()
        _check(app.data_dir, durable, talkers)
        app = _next(launch, app)
        _check_gaps(app, cycle + 1, died_us)


@pytest.mark.parametrize("place", PLACES)
@short_and_full("cycles", 1, 20, full_s=600)
def test_r09_kill_at_a_failpoint(launch: LaunchApp, place: str, cycles: int) -> None:
    chance, at_the_end = random.Random(place), place == "ckpt.mid"
    app = _with_a_server(launch)
    for cycle in range(cycles):
        assert app.stop() == 0
        app = _next(launch, app, f"{place}=kill@{1 if at_the_end else chance.randrange(1, 20)}")
        talkers = _talkers(app, f"{cycle}")
        durable = _told_until_it_dies(app, talkers, told_to_end=at_the_end)
        died_us = now_us()
        _check(app.data_dir, durable, talkers)
        app = _next(launch, app)
        _check_gaps(app, cycle + 1, died_us)


def _with_a_server(launch: LaunchApp) -> RunningApp:
    app = launch().start()
    app.api.post("servers", definition(name="echo"))
    return app


def _next(launch: LaunchApp, app: RunningApp, failpoints: str = "") -> RunningApp:
    """What starts over the data directory of `app`, which has ended."""
    found = launch({"DATA_DIR": str(app.data_dir), "FAILPOINTS": failpoints})
    found.data_dir = app.data_dir
    found.start()
    assert not [row for row in found.api.requests() if row["outcome"] == "open"]
    return found


def _talkers(app: RunningApp, name: str) -> list[Talker]:
    address = tuple(app.api.get("servers/echo")["server_address"])
    return [Talker(address, f"{name}-{n}") for n in range(CLIENTS)]


def _told_until_it_dies(app: RunningApp, talkers: list[Talker], *, told_to_end: bool) -> int:
    """Returns: the watermark that the API showed last. It kills itself, once it is written to; or
    at the end, of which it is told."""
    assert app.process is not None
    durable = 0
    if told_to_end:
        durable = eventually(partial(_durable, app, talkers, 20))
        app.process.send_signal(signal.SIGTERM)
    while app.process.poll() is None:
        with suppress(httpx2.TransportError):
            durable = max(durable, app.api.get("log/stats")["durable_seq"])
    assert app.process.returncode == -signal.SIGKILL
    return durable


def _durable(app: RunningApp, talkers: list[Talker], until: int) -> int:
    """The watermark that the API shows, once so much was answered."""
    with suppress(httpx2.TransportError):
        stats = app.api.get("log/stats")
        enough = sum(talker.answered for talker in talkers) >= until
        if enough and stats["durable_seq"]:
            return int(stats["durable_seq"])
    return 0


def _check(data_dir: Path, durable: int, talkers: list[Talker]) -> None:
    for talker in talkers:
        talker.join(DEADLINE_S)
    seqs: list[int] = []
    stored: defaultdict[str, set[int]] = defaultdict(set)
    for path in sorted((data_dir / "requests").glob("*.sqlite3")):
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            rows = connection.execute(
                "SELECT seq, outcome, in_prefix, out_prefix FROM requests ORDER BY seq"
            ).fetchall()
        seqs += [row[0] for row in rows]
        for _, outcome, received, sent in rows:
            if outcome == "ok":
                assert received == sent
                name, _, number = received.decode().rpartition("-")
                assert int(number) not in stored[name]
                stored[name].add(int(number))
    assert seqs == list(range(1, len(seqs) + 1))
    assert len(seqs) >= durable
    for talker in talkers:
        # Each spoke in order. Only of the last ones may one be missing, whose thread was late
        # to say that it is over.
        found = stored[talker.name]
        assert len(set(range(max(found, default=-1) + 1)) - found) <= LATE
        assert len(found) <= talker.answered + 1


def _check_gaps(app: RunningApp, deaths: int, died_us: int) -> None:
    """A row for each death, the newest of them about this one."""
    equal(lambda: len(_all_gaps(app)), deaths)
    gaps = _all_gaps(app)
    began, ended = (microseconds(gaps[0][name]) for name in ("began_at", "ended_at"))
    assert began <= died_us <= ended
    assert gaps[0]["missing"] is None


def _all_gaps(app: RunningApp) -> list[Json]:
    """Those of unclean ends, the newest first, from all pages."""
    gaps: list[Json] = []
    before: str | None = None
    while True:
        cursor = {} if before is None else {"before": before}
        page = app.api.get("requests", limit=500, **cursor)
        gaps += [gap for gap in page["gaps"] if gap["reason"] == "unclean"]
        if (before := page["next"]) is None:
            return gaps
