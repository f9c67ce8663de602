"""Damaged day files: moved aside whole, by whoever finds them, and the log goes on."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from app.errors import Unavailable
from app.search.line import parse
from app.store import day_index
from app.store.day_damage import DamagedDay, inode_of
from app.store.day_files import DayFiles
from app.store.day_index import index_path
from tests.app.store.samples import DAY_US, NOON_US, finished, progressed

PAGE = 4096
NO_DATABASE = b"no database at all " * 1_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of 2026-03-14, with 200 requests; one of the day after is there too."""
    with closing(DayFiles(tmp_path)) as store:
        store.append([finished(n, b"ping %d " % n * 40) for n in range(200)])
        store.append([finished(500, started_us=NOON_US + DAY_US)])
    return tmp_path / "requests" / "20260314.sqlite3"


@pytest.fixture
def store(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DayFiles]:
    monkeypatch.setattr(day_index, "BLOCK_ROWS", 4)
    with closing(DayFiles(path.parent.parent)) as opened:
        yield opened


def flip(path: Path, page: int) -> bytes:
    """Turn every bit of one page around. Returns: what the file is then."""
    data = bytearray(path.read_bytes())
    at = page * PAGE
    data[at : at + PAGE] = bytes(byte ^ 0xFF for byte in data[at : at + PAGE])
    path.write_bytes(data)
    return bytes(data)


def root_page(path: Path) -> int:
    """The page, counted from 0, that everything in the table of requests is found by."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT rootpage FROM sqlite_master WHERE name = 'requests'"
        return int(connection.execute(query).fetchone()[0]) - 1


def aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob("damaged/*.sqlite3"))


READS: dict[str, Callable[[DayFiles], object]] = {
    "page": lambda store: [row.id for row in store.query(limit=3, before="20260315-0").items],
    "newer": lambda store: store.query(limit=3, after="20260101-1"),
    "search": lambda store: store.query(parse("ping"), limit=3),
    "count": lambda store: store.count(parse("ping"), most=1_000),
    "details": lambda store: list(store.details()),
    "one": lambda store: store.get("20260314-7"),
    "stats": lambda store: store.stats(),
    "rows": lambda store: store.rows("20260314"),
    "index": lambda store: [store.build_index() for _ in range(3)],
    "lost": lambda store: store.mark_lost(),
    "write": lambda store: store.append([finished(900)]),
    "trim": lambda store: store.trim("20260314", 0),
}


@pytest.mark.parametrize("name", READS)
def test_whoever_finds_a_file_damaged_moves_it_aside_and_goes_on(
    store: DayFiles, path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    path.write_bytes(NO_DATABASE)
    with caplog.at_level(logging.ERROR, "app.store"):
        READS[name](store)
    (moved,) = aside(path)
    assert moved.read_bytes() == NO_DATABASE
    assert str(moved) in caplog.text
    for read in READS.values():
        read(store)
    assert aside(path) == [moved]
    assert store.query(limit=1).items[0].id == "20260315-201"
    (row,) = store.append([finished(901)])
    found = store.get(row.id)
    assert found is not None
    assert found.summary == row


def test_a_file_found_damaged_at_the_start_is_moved_aside(path: Path) -> None:
    path.write_bytes(NO_DATABASE)
    path.with_name(path.name + "-wal").write_bytes(b"wal")
    path.with_name(path.name + "-shm").write_bytes(b"shm")
    index_path(path).write_bytes(b"index")
    with closing(DayFiles(path.parent.parent)) as store:
        (moved,) = aside(path)
        assert moved.read_bytes() == NO_DATABASE
        assert moved.with_name(moved.name + "-wal").read_bytes() == b"wal"
        assert moved.with_name(moved.name + "-shm").exists()
        assert not list(path.parent.glob("20260314*"))
        assert [day.day for day in store.days()] == ["20260315"]


def test_two_of_one_day_never_overwrite_each_other(path: Path) -> None:
    for text in (b"first", b"second", b"third"):
        path.write_bytes(text * 1_000)
        DayFiles(path.parent.parent).close()
    assert {p.read_bytes() for p in aside(path)} == {
        text * 1_000 for text in (b"first", b"second", b"third")
    }


def test_every_flipped_page_is_outlived(path: Path) -> None:
    whole = path.read_bytes()
    found = 0
    for page in range(len(whole) // PAGE):
        damaged = flip(path, page)
        with closing(DayFiles(path.parent.parent)) as store:
            for read in READS.values():
                read(store)
            assert store.query(limit=1).items, page
        for moved in aside(path):
            assert len(moved.read_bytes()) >= len(damaged)
            moved.unlink()
            found += 1
        for rest in (path, index_path(path)):
            rest.unlink(missing_ok=True)
        path.write_bytes(whole)
    assert found > 5


def test_many_readers_move_it_once(store: DayFiles, path: Path) -> None:
    flip(path, root_page(path))
    with ThreadPoolExecutor(4) as pool:
        reads = [pool.submit(store.query, limit=500) for _ in range(40)]
        assert {len(read.result(20).items) for read in reads} == {1}
    assert len(aside(path)) == 1


def test_a_file_that_took_its_place_is_not_moved(store: DayFiles, path: Path) -> None:
    old = inode_of(path)
    cause = sqlite3.DatabaseError("malformed")
    path.rename(path.with_name("elsewhere"))
    store.append([finished(700)])
    for inode in (old, None):
        store._set_aside(DamagedDay(path, inode, cause))
    assert aside(path) == []
    assert store.rows("20260314") == 1


def test_an_open_request_of_a_damaged_day_is_told_anew(store: DayFiles, path: Path) -> None:
    store.append([progressed(800)])
    store.close()  # which moves all of it into the file
    flip(path, root_page(path))
    (row,) = store.append([finished(800)])
    assert (row.id, row.outcome) == ("20260314-203", "ok")
    assert store.get("20260314-203") is not None
    assert len(aside(path)) == 1


def test_they_are_listed_until_removed_and_once_heard_of_said_to_be(
    store: DayFiles, path: Path
) -> None:
    assert store.damaged() == []
    path.write_bytes(NO_DATABASE)
    store.stats()
    (moved,) = aside(path)
    (listed,) = store.damaged()
    assert (listed.name, listed.path, listed.bytes) == (moved.name, str(moved), len(NO_DATABASE))
    assert not listed.acknowledged
    assert not store.acknowledge("../20260315.sqlite3")
    assert not store.acknowledge("*")
    assert store.acknowledge(listed.name)
    assert store.damaged()[0].acknowledged
    moved.unlink()
    assert store.damaged() == []


def test_a_damaged_index_is_built_anew(store: DayFiles, path: Path) -> None:
    def blocks() -> int:
        return sum(iter(store.build_index, 0))

    assert blocks() == 200
    store.close()
    for damaged in (NO_DATABASE, b""):
        index_path(path).write_bytes(damaged)
        assert store.count(parse("ping"), most=1_000).rows == 200
        assert store.stats().index_lag_rows in (0, 1, 201)
    index_path(path).write_bytes(NO_DATABASE)
    with closing(DayFiles(path.parent.parent)) as fresh:
        while fresh.build_index() or fresh.stats().index_lag_rows > 1:
            pass
        assert fresh.count(parse("ping"), most=1_000).rows == 200
    assert aside(path) == []


def test_what_is_no_damage_is_refused_as_ever(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(Unavailable, match="version 9"):
        DayFiles(path.parent.parent)
    assert aside(path) == []
