from __future__ import annotations

from contextlib import closing
from pathlib import Path

from app.store.day_schema import insert_values
from app.store.day_writer import DayWriter
from tests.app.store.samples import finished


def test_a_commit_is_on_the_disk_before_it_is_reported(tmp_path: Path) -> None:
    with closing(DayWriter(tmp_path / "20260314.sqlite3", "0" * 32)) as writer:
        # The settings are the connection's own; nothing outside it shows them.
        pragma = writer._connection.execute
        assert pragma("PRAGMA journal_mode").fetchone() == ("wal",)
        assert pragma("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_free_room_is_given_back_many_pages_at_a_time(tmp_path: Path) -> None:
    with closing(DayWriter(tmp_path / "20260314.sqlite3", "0" * 32)) as writer:
        rows = [insert_values(finished(seq, bytes(4_000)), seq) for seq in range(1, 401)]
        writer.write(rows, [], [])
        assert writer.delete(list(range(1, 400))) == 399
        free = [writer._free_pages()]
        while writer.shrink():
            free.append(writer._free_pages())
        assert free[0] > 2 * 256
        assert free[0] - free[1] == 256
        assert len(free) == -(-free[0] // 256)
        assert writer._free_pages() == 0
        assert not writer.is_empty()
