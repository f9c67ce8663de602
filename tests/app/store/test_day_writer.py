from __future__ import annotations

from contextlib import closing
from pathlib import Path

from app.store.day_writer import DayWriter


def test_a_commit_is_on_the_disk_before_it_is_reported(tmp_path: Path) -> None:
    with closing(DayWriter(tmp_path / "20260314.sqlite3", "0" * 32)) as writer:
        # The settings are the connection's own; nothing outside it shows them.
        pragma = writer._connection.execute
        assert pragma("PRAGMA journal_mode").fetchone() == ("wal",)
        assert pragma("PRAGMA synchronous").fetchone() == (2,)  # FULL
