"""What an index is to those who read it when nobody has yet opened it to write."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from app.store import day_index


def _died_amid_a_change(path: Path) -> None:
    """An index whose process was killed while a rollback journal had what was there before."""
    draft = path.with_name("draft")
    with closing(sqlite3.connect(draft, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size=1")  # so that all goes to the file at once
        connection.execute("CREATE TABLE something (data)")
        connection.execute("INSERT INTO something VALUES (zeroblob(100000))")
        connection.execute("BEGIN")
        connection.execute("UPDATE something SET data = randomblob(100000)")
        shutil.copy(draft, path)
        shutil.copy(f"{draft}-journal", f"{path}-journal")


def test_an_index_that_only_a_writer_can_mend_covers_nothing_until_then(tmp_path: Path) -> None:
    day_file = tmp_path / "2026-01-01.sqlite3"
    _died_amid_a_change(day_index.index_path(day_file))
    assert day_index.covered(day_file) == 0
    with closing(day_index.DayIndex(day_file)) as index:
        assert index.last_seq() == 0
    assert not day_index.index_path(day_file).with_suffix(".index-journal").exists()
    assert day_index.covered(day_file) == 0
