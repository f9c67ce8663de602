"""LogIndex: blocks of all days are built, the newest day first, and what is left is counted."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from app.store import day_index
from app.store.day_files import DayFiles
from app.store.day_index import DayIndex, index_path
from app.store.day_search import grams
from tests.app.store.samples import DAY_US, NOON_US, finished
from tests.waiting import DEADLINE_S


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DayFiles]:
    """Blocks of four rows."""
    monkeypatch.setattr(day_index, "BLOCK_ROWS", 4)
    with closing(DayFiles(tmp_path)) as opened:
        yield opened


def last_seq(folder: Path, day: str) -> int:
    with closing(DayIndex(folder / "requests" / f"{day}.sqlite3")) as index:
        return index.last_seq()


def test_every_day_is_indexed_the_newest_first(store: DayFiles, tmp_path: Path) -> None:
    store.append([finished(n) for n in range(9)])
    store.append([finished(n, started_us=NOON_US + DAY_US) for n in range(9, 15)])
    assert store.stats().index_lag_rows == 15
    assert store.build_index() == 4
    assert not index_path(tmp_path / "requests" / "20260314.sqlite3").exists()
    assert store.stats().index_lag_rows == 11
    assert [store.build_index() for _ in range(4)] == [4, 4, 0, 0]
    # A rest is less than a block. Of a day that is over it is counted no more.
    assert store.stats().index_lag_rows == 2
    assert (last_seq(tmp_path, "20260314"), last_seq(tmp_path, "20260315")) == (8, 13)
    store.append([finished(n, started_us=NOON_US + DAY_US) for n in range(20, 23)])
    assert store.build_index() == 4


def test_once_closed_it_builds_nothing_more(store: DayFiles, tmp_path: Path) -> None:
    store.append([finished(n) for n in range(9)])
    assert store.build_index() == 4
    store.close()
    assert store.build_index() == 0
    assert last_seq(tmp_path, "20260314") == 4


def test_a_block_that_takes_long_is_not_waited_for_and_is_built_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_index, "BLOCK_ROWS", 4)
    monkeypatch.setattr("app.store.log_index.CLOSE_WAIT_S", 0.01)
    begun, may_end = threading.Event(), threading.Event()

    def slow_grams(data: bytes) -> set[bytes]:
        begun.set()
        assert may_end.wait(DEADLINE_S)
        return grams(data)

    monkeypatch.setattr(day_index, "grams", slow_grams)
    store = DayFiles(tmp_path)
    store.append([finished(n) for n in range(5)])
    with ThreadPoolExecutor(1) as pool:
        building = pool.submit(store.build_index)
        assert begun.wait(DEADLINE_S)
        store.close()
        assert not building.done()
        may_end.set()
        assert building.result(DEADLINE_S) == 4
    assert store.build_index() == 0
    assert last_seq(tmp_path, "20260314") == 4
    store.close()


def test_an_empty_log_needs_no_index(store: DayFiles) -> None:
    assert store.build_index() == 0
    stats = store.stats()
    assert (stats.durable_seq, stats.oldest_us, stats.newest_us, stats.bytes) == (0, None, None, 0)


def test_stats_say_from_when_to_when(store: DayFiles) -> None:
    store.append([finished(1), finished(2, started_us=NOON_US + 5 * DAY_US)])
    stats = store.stats()
    assert (stats.durable_seq, stats.oldest_us) == (2, NOON_US + 1)
    assert stats.newest_us == NOON_US + 5 * DAY_US
    assert stats.bytes > 8192
