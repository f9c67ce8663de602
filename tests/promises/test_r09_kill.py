"""R9: SIGKILL at any moment. Every row up to the `durable_seq` that was told is there, all of it.

What is lost is the end of what each client did, and no more; the files are whole; seqs rise.
"""

from __future__ import annotations

import random
import socket
import sqlite3
import threading
from collections import defaultdict
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import httpx2
import pytest

from tests.conftest import LaunchApp
from tests.promises.serving import short_and_full
from tests.running import RunningApp, definition
from tests.waiting import DEADLINE_S, eventually

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


@pytest.mark.timeout(170)
@short_and_full("cycles", 5, 30)
def test_r09_kill(launch: LaunchApp, cycles: int) -> None:
    chance = random.Random(9)
    app = launch().start()
    data_dir = app.data_dir
    app.api.post("servers", definition(name="echo"))
    for cycle in range(cycles):
        address = tuple(app.api.get("servers/echo")["server_address"])
        talkers = [Talker(address, f"{cycle}-{n}") for n in range(CLIENTS)]
        until = chance.randrange(1, 400)
        durable = eventually(partial(_durable, app, talkers, until))
        app.kill()
        for talker in talkers:
            talker.join(DEADLINE_S)
        _check(data_dir / "requests", durable, talkers)
        app = launch({"DATA_DIR": str(data_dir)}).start()
        assert not [row for row in app.api.requests() if row["outcome"] == "open"]


def _durable(app: RunningApp, talkers: list[Talker], until: int) -> int:
    """The watermark that the API shows, once so much was answered."""
    with suppress(httpx2.TransportError):
        stats = app.api.get("log/stats")
        enough = sum(talker.answered for talker in talkers) >= until
        if enough and stats["durable_seq"]:
            return int(stats["durable_seq"])
    return 0


def _check(folder: Path, durable: int, talkers: list[Talker]) -> None:
    seqs: list[int] = []
    stored: defaultdict[str, set[int]] = defaultdict(set)
    for path in sorted(folder.glob("*.sqlite3")):
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
