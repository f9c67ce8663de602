"""Copies of databases: whole, of one moment, made while others write."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.store import database_copy
from app.store.database import FILE_NAME, Database, knows
from app.store.database_copy import DamagedCopy, check, copy_database, revision, rows_of_day
from app.store.day_files import DayFiles
from tests.app.store.samples import finished

PAYLOAD = bytes(range(256)) * 16


@pytest.fixture
def day(tmp_path: Path) -> Iterator[tuple[DayFiles, Path]]:
    """A log that is being written, and the file of its only day: 8 MiB."""
    with closing(DayFiles(tmp_path)) as store:
        store.append([finished(n, PAYLOAD) for n in range(1_000)])
        yield store, tmp_path / "requests" / "20260314.sqlite3"


def test_copy_is_of_the_moment_it_began_though_others_commit_at_every_step(
    day: tuple[DayFiles, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, source = day
    steps = 0

    def write(*_: Any) -> None:
        nonlocal steps
        steps += 1
        store.append([finished(1_000 + steps, PAYLOAD)])

    monkeypatch.setattr(database_copy, "_Steady", lambda _descriptor: write)
    copy_database(source, tmp_path / "copy")
    check(tmp_path / "copy")
    assert steps > 5  # each would have made it begin anew
    assert rows_of_day(tmp_path / "copy") == (1_000, 1_000)
    assert store.rows("20260314") == 1_000 + steps


def test_copy_holds_what_is_in_the_write_ahead_log_only(
    day: tuple[DayFiles, Path], tmp_path: Path
) -> None:
    _, source = day
    assert source.with_name(source.name + "-wal").stat().st_size > 0
    copy_database(source, tmp_path / "copy")
    assert rows_of_day(tmp_path / "copy") == (1_000, 1_000)
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy"]  # nothing is made beside it


def test_day_that_has_no_schema_yet_has_no_rows(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    copy_database(tmp_path / "empty", tmp_path / "copy")
    check(tmp_path / "copy")
    assert rows_of_day(tmp_path / "copy") == (0, 0)


@pytest.mark.parametrize("place", [0, 9 * 4096], ids=["header", "rows"])
def test_damage_is_found_in_the_copy(
    day: tuple[DayFiles, Path], tmp_path: Path, place: int
) -> None:
    store, source = day
    store.close()
    data = bytearray(source.read_bytes())
    data[place : place + 4096] = b"\xa5" * 4096
    source.write_bytes(data)
    with pytest.raises(DamagedCopy):
        _copied_and_checked(source, tmp_path / "copy")


def _copied_and_checked(source: Path, copy: Path) -> None:
    copy_database(source, copy)
    check(copy)


def test_what_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError):
        copy_database(tmp_path / "nothing", tmp_path / "copy")
    assert not (tmp_path / "nothing").exists()


def test_version_of_a_control_database_is_told_and_known(tmp_path: Path) -> None:
    Database(tmp_path / FILE_NAME).close()
    copy_database(tmp_path / FILE_NAME, tmp_path / "copy")
    assert knows(revision(tmp_path / "copy"))
    assert not knows("9999")
