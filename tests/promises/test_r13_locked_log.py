"""R13: another process has the log's file locked. Nothing is lost, and reading goes on."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from tests.clients import Client, ask
from tests.promises.serving import short_and_full
from tests.running import RunningApp, definition
from tests.waiting import equal, eventually


@pytest.mark.timeout(170)
@short_and_full(("requests", "longer_than_s"), (200, 3), (20_000, 20))
def test_r13_locked_log(app_process: RunningApp, requests: int, longer_than_s: float) -> None:
    api = app_process.api
    server = api.post("servers", definition(name="echo"))
    ask(server, b"before")
    api.finished("echo", 1)
    (path,) = (app_process.data_dir / "requests").glob("*.sqlite3")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        for number in range(requests):
            with Client(server) as client:
                assert client.ask(b"%d" % number) == b"%d" % number
        # For so long indeed, and longer than one try of the writer.
        eventually(
            lambda: api.get("log/stats")["writer_lag_ms"] >= longer_than_s * 1000,
            2 * longer_than_s + 20,
        )
        assert [row["preview"] for row in api.requests("echo")] == ["before"]
        threads = app_process.threads()
        other.execute("ROLLBACK")
    equal(lambda: api.get("log/stats")["stored"], requests + 1)
    stats = api.get("log/stats")
    assert (stats["received"], stats["dropped"], stats["pending"]) == (requests + 1, 0, 0)
    assert stats["state"] == "ok"
    assert api.get("requests/count", q="server:echo")["rows"] == min(requests + 1, 10_000)
    assert app_process.threads() <= threads
