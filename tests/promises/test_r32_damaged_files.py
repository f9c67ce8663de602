"""R32: a damaged file of the request log is moved aside as it is, and the app starts."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.app.log_files import whole
from tests.clients import Client
from tests.conftest import LaunchApp
from tests.running import RunningApp, definition

PAGE = 4096
REQUESTS = 40


def _log(app: RunningApp, name: str, count: int) -> None:
    server = app.api.get(f"servers/{name}")
    for _ in range(count):
        with Client(server) as client:
            client.ask(b"hello" * 100)


def _ended(launch: LaunchApp) -> tuple[RunningApp, Path]:
    """An app that has logged something and ended, and the file of its newest day."""
    app = launch().start()
    app.api.post("servers", definition(name="echo"))
    _log(app, "echo", REQUESTS)
    app.api.finished("echo", REQUESTS)
    assert app.stop() == 0
    return app, max((app.data_dir / "requests").glob("*.sqlite3"))


def _root_page(path: Path) -> int:
    """Of the table, counted from 0: every row is found by it."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'requests'"
        return int(connection.execute(query).fetchone()[0]) - 1


def _flip(path: Path, page: int) -> bytes:
    """Turn every bit of 4 KiB around. Returns: what the file is then."""
    data = bytearray(path.read_bytes())
    part = slice(page * PAGE, (page + 1) * PAGE)
    data[part] = bytes(byte ^ 0xFF for byte in data[part])
    path.write_bytes(data)
    return bytes(data)


@pytest.mark.parametrize("where", ["header", "rows"])
def test_r32_damaged_day_is_moved_aside_and_the_log_goes_on(launch: LaunchApp, where: str) -> None:
    app, path = _ended(launch)
    damaged = _flip(path, 0 if where == "header" else _root_page(path))
    app.start()
    api = app.api
    rows = api.requests()
    assert len(rows) < REQUESTS  # a day that ended meanwhile is whole
    (moved,) = (path.parent / "damaged").glob("*.sqlite3")
    assert moved.name.startswith(path.stem)
    assert moved.read_bytes() == damaged
    for page in ("/servers", "/requests", "/requests/retention"):
        html = api.pages.get(page).text
        assert "A day of the request log was damaged." in html
        assert moved.name in html
        assert ".recover" in html
    _log(app, "echo", 3)
    api.finished("echo", len(rows) + 3)
    stats = api.get("log/stats")
    assert (stats["state"], stats["stored"], stats["dropped"]) == ("ok", 3, 0)
    where_to = f"/requests/retention/damaged/{moved.name}/acknowledge"
    assert api.pages.post(where_to).status_code == 303
    assert "was damaged" not in api.pages.get("/servers").text
    assert app.stop() == 0
    assert moved.read_bytes() == damaged
    moved.unlink()
    assert set(whole(app.data_dir)) == {"ok"}


def test_r32_day_damaged_while_it_is_written_goes_on_in_a_new_file(launch: LaunchApp) -> None:
    app, path = _ended(launch)
    app.start()
    path.write_bytes(b"no database at all " * 1_000)
    _log(app, "echo", 3)
    api = app.api
    rows = api.finished("echo", 3)
    (moved,) = (path.parent / "damaged").glob("*.sqlite3")
    assert api.get("log/stats")["dropped"] == 0
    assert {api.get(f"requests/{row['id']}")["outcome"] for row in rows} == {"ok"}
    assert "moved to" in app.log
    assert moved.name in app.log
