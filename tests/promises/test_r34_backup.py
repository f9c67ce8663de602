"""R34: a backup beside 1,000 requests a second is whole, and what is restored is the same."""

from __future__ import annotations

import json
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from app.domain import RetentionRules
from app.store.database import FILE_NAME, Database
from app.store.day_files import DayFiles
from app.store.retention import RetentionTable
from tests.acts import ACT
from tests.app.log_files import whole
from tests.app.store.samples import DAY_US, NOON_US, finished
from tests.conftest import LaunchApp
from tests.promises.serving import short_and_full
from tests.running import Json, RunningApp, definition
from tests.waiting import DEADLINE_S, eventually

RATE = 1_000
TICK_S = 0.01

#: Rows of days that are over, of 1 KiB each: so that a backup takes its time.
OLD_ROWS = 40_000

MOST_WAL_BYTES = 64 * 1024 * 1024


class Load(threading.Thread):
    """Datagrams at `RATE`, each of which is a request; answers are read and not waited for."""

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__(name="load", daemon=True)
        self._address = address
        self._over = threading.Event()
        self.sent = 0

    def run(self) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as client:
            client.connect(self._address)
            client.setblocking(False)
            began = time.monotonic()
            while not self._over.wait(TICK_S):
                while self.sent < (time.monotonic() - began) * RATE:
                    client.send(b"%064d" % self.sent)
                    self.sent += 1
                self._read(client)

    def _read(self, client: socket.socket) -> None:
        try:
            while True:
                client.recv(100)
        except BlockingIOError:
            return

    def end(self) -> None:
        self._over.set()
        self.join(DEADLINE_S)


@contextmanager
def loaded(server: Json) -> Iterator[Load]:
    load = Load(tuple(server["server_address"]))
    load.start()
    try:
        yield load
    finally:
        load.end()


@pytest.fixture
def app(launch: LaunchApp) -> RunningApp:
    """One with a log of three days, which it keeps, and something of everything defined."""
    app = launch()
    with closing(Database(app.data_dir / FILE_NAME)) as database:
        RetentionTable(database).put(RetentionRules(max_age_days=0, max_bytes=0), ACT)
    with closing(DayFiles(app.data_dir)) as store:
        for first in range(0, OLD_ROWS, 1_000):
            day_us = NOON_US + first * 3 // OLD_ROWS * DAY_US
            numbers = range(first, first + 1_000)
            store.append([finished(n, b"%0512d" % n, started_us=day_us) for n in numbers])
    app.start()
    app.api.post("certificates/self-signed", {"name": "own", "hosts": ["localhost"]})
    app.api.post("servers", definition("udp", name="loaded"))
    app.api.post("servers", definition(name="secret", tls={"certificate": "own"}))
    app.api.post("servers", definition("unix", name="stopped", wanted="stopped"))
    return app


def command(app: RunningApp, *arguments: object) -> None:
    done = app.command(*arguments, timeout_s=3 * DEADLINE_S)
    assert (done.returncode, done.stderr) == (0, "")


def control_state(data_dir: Path) -> list[str]:
    """All that is in a control database, as SQL."""
    with closing(sqlite3.connect(data_dir / FILE_NAME)) as connection:
        return list(connection.iterdump())


def seqs(data_dir: Path) -> list[int]:
    found: list[int] = []
    for path in sorted((data_dir / "requests").glob("*.sqlite3")):
        with closing(sqlite3.connect(path)) as connection:
            found += (row[0] for row in connection.execute("SELECT seq FROM requests"))
    return found


def manifest(backup: Path) -> Json:
    return json.loads((backup / "manifest.json").read_text(encoding="utf-8"))


@pytest.mark.timeout(170)
@short_and_full("backups", 2, 12)
def test_r34_backup(launch: LaunchApp, app: RunningApp, folder: Path, backups: int) -> None:
    with loaded(app.api.get("servers/loaded")) as load:
        eventually(lambda: load.sent > RATE)
        for number in range(backups):
            backup = folder / f"backup{number}"
            before, sent = app.api.get("log/stats"), load.sent
            command(app, "backup", backup)
            assert load.sent > sent
            _check(backup, before["durable_seq"])
        eventually(lambda: app.api.get("log/stats")["pending"] < RATE)
        stats = app.api.get("log/stats")
        assert (stats["state"], stats["dropped"]) == ("ok", 0)
        assert stats["stored"] > before["stored"]
        wals = (app.data_dir / "requests").glob("*-wal")
        assert max(path.stat().st_size for path in wals) <= MOST_WAL_BYTES
    _restored(launch, app, backup, folder / "new")


def _check(backup: Path, durable: int) -> None:
    """It is whole, and all is in it that was on the disk when it began."""
    assert set(whole(backup)) == {"ok"}
    found = seqs(backup)
    assert found == list(range(1, len(found) + 1))
    assert len(found) >= durable
    days = [file for file in manifest(backup)["files"] if file["rows"] is not None]
    assert sum(day["rows"] for day in days) == len(found)
    assert days[-1]["last_seq"] == found[-1]


def _restored(launch: LaunchApp, app: RunningApp, backup: Path, data_dir: Path) -> None:
    """Another instance begins where the first one was."""
    other = launch({"DATA_DIR": str(data_dir)})
    command(other, "restore", backup)
    told = [line for line in control_state(data_dir) if "instance.restore" in line]
    assert len(told) == 1  # and all else is as it was
    assert [line for line in _lasting(data_dir) if line not in told] == _lasting(app.data_dir)
    held = len(seqs(data_dir))
    names = ("node_id", "tls/own.pem")
    assert [(data_dir / n).read_bytes() for n in names] == [
        (app.data_dir / n).read_bytes() for n in names
    ]
    assert app.stop() == 0
    other.start()
    states = {server["name"]: server["state"] for server in other.api.get("servers")["items"]}
    assert states == {"loaded": "running", "secret": "running", "stopped": "stopped"}
    stats = other.api.get("log/stats")
    assert (stats["durable_seq"], stats["state"]) == (held, "ok")
    found = other.api.get("requests/count", server="loaded")["rows"]
    assert found == min(held - OLD_ROWS, 10_000)
    assert not [row for row in other.api.requests() if row["outcome"] == "open"]
    assert other.stop() == 0
    assert set(whole(data_dir)) == {"ok"}


def _lasting(data_dir: Path) -> list[str]:
    """Its control database but for the numbers that the audit has reached."""
    return [line for line in control_state(data_dir) if "sqlite_sequence" not in line]
