"""Days that are dropped and rows that are trimmed, under readers, writers and the index."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from app.domain import RequestSummary
from app.search.line import parse
from app.store import day_index, day_reader
from app.store.day_files import DayFiles
from app.store.requests import RequestEvent, RequestStore
from tests.app.store.samples import DAY_US, NOON_US, finished, progressed, requests_of

PAYLOAD = bytes(range(256)) * 64  # 16 KiB


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DayFiles]:
    """Index blocks of four rows."""
    monkeypatch.setattr(day_index, "BLOCK_ROWS", 4)
    with closing(DayFiles(tmp_path)) as opened:
        yield opened


def newest(store: RequestStore) -> list[RequestSummary]:
    return list(store.query(limit=1_000).items)


def files(folder: Path) -> set[str]:
    return {path.name for path in (folder / "requests").iterdir()}


def on(day: int, *numbers: int) -> list[RequestEvent]:
    """Requests of the day so many days after 2026-03-14."""
    return [finished(n, started_us=NOON_US + day * DAY_US + n) for n in numbers]


def test_a_dropped_day_is_gone_with_all_its_files(store: DayFiles, tmp_path: Path) -> None:
    store.append([*on(0, 1, 2, 3, 4, 5), *on(1, 6)])
    assert [store.build_index(), store.build_index()] == [4, 0]
    assert [day.day for day in store.days()] == ["20260315", "20260314"]
    assert (store.rows("20260314"), store.rows("20260315")) == (5, 1)
    assert store.drop("20260314")
    assert {name.partition(".")[0] for name in files(tmp_path)} == {"20260315"}
    assert [row.id for row in newest(store)] == ["20260315-6"]
    assert (store.rows("20260314"), store.get("20260314-1")) == (0, None)
    assert store.stats().oldest_us == NOON_US + DAY_US + 6
    assert not store.drop("20260314")


@pytest.mark.parametrize("day", ["", "20260399", "../control", "2026031*", "20260314.sqlite3"])
def test_what_is_no_day_is_not_dropped(store: DayFiles, tmp_path: Path, day: str) -> None:
    store.append(on(0, 1))
    before = files(tmp_path)
    assert (store.drop(day), store.rows(day), store.trim(day, 0)) == (False, 0, False)
    assert files(tmp_path) == before


def test_the_day_that_is_written_can_be_dropped_and_goes_on(
    store: DayFiles, tmp_path: Path
) -> None:
    store.append(on(0, 1, 2))
    assert store.drop("20260314")
    assert files(tmp_path) == set()
    assert [row.id for row in store.append(on(0, 3))] == ["20260314-3"]
    assert [row.id for row in newest(store)] == ["20260314-3"]


def test_a_request_that_was_open_in_a_dropped_day_is_not_written_any_more(
    store: DayFiles, tmp_path: Path
) -> None:
    store.append([progressed(1), progressed(2), *on(1, 7)])
    store.drop("20260314")
    assert store.append([progressed(1, b"hell"), *on(1, 8)])[0].id == "20260315-4"
    assert store.append([finished(1), finished(2)]) == []
    assert {name.partition(".")[0] for name in files(tmp_path)} == {"20260315"}
    # One that was not in it when it was dropped is a request like any other.
    assert [row.id for row in store.append([finished(3)])] == ["20260314-5"]


def test_a_batch_that_failed_passes_over_what_is_gone_each_time(
    store: DayFiles, tmp_path: Path
) -> None:
    store.append([progressed(1), *on(1, 7)])
    store.drop("20260314")
    in_the_way = tmp_path / "requests" / "20260316.sqlite3"
    in_the_way.mkdir()
    batch = [finished(1), *on(2, 9)]
    with pytest.raises(sqlite3.OperationalError):
        store.append(batch)
    in_the_way.rmdir()
    assert [row.id for row in store.append(batch)] == ["20260316-3"]


def test_what_a_deletion_left_behind_is_swept_at_the_start(tmp_path: Path) -> None:
    folder = tmp_path / "requests"
    folder.mkdir()
    for name in ("20260314.sqlite3-wal", "20260314.sqlite3-shm", "20260314.index", "notes.index"):
        (folder / name).write_bytes(b"x")
    with closing(DayFiles(tmp_path)) as store:
        store.append(on(1, 1))
        assert "20260315.sqlite3" in files(tmp_path)
    assert files(tmp_path) == {"notes.index", "20260315.sqlite3"}


def test_a_reader_amid_a_dropped_file_has_what_it_has(store: DayFiles, tmp_path: Path) -> None:
    store.append(on(0, *range(20)))
    path = tmp_path / "requests" / "20260314.sqlite3"
    with day_reader.unless_dropped(path), day_reader.reading(path) as connection:
        assert connection is not None
        rows = connection.execute("SELECT seq FROM requests")
        first = rows.fetchone()
        store.drop("20260314")
        assert [first, *rows] == [(seq,) for seq in range(1, 21)]
    with day_reader.unless_dropped(path), day_reader.reading(path):
        raise AssertionError("it is not there")
    with pytest.raises(sqlite3.Error), day_reader.unless_dropped(tmp_path):
        raise sqlite3.OperationalError("of a file that is there")


def test_days_are_dropped_while_pages_are_walked_counted_and_indexed(store: DayFiles) -> None:
    days = 40
    for day in range(days):
        store.append(on(day, *range(day * 10, day * 10 + 10)))
    last = {row.id for row in newest(store)[:10]}
    over = threading.Event()

    def walk() -> int:
        rounds = 0
        while not over.is_set() or not rounds:
            ids: list[str] = []
            before: str | None = None
            while page := store.query(
                parse("hello") if rounds % 2 else parse(""), limit=7, before=before
            ):
                ids += [row.id for row in page.items]
                if page.next is None:
                    break
                before = page.next
            assert ids == sorted(set(ids), key=lambda i: int(i.split("-")[1]), reverse=True)
            assert last <= set(ids)
            store.count(parse("server:echo"), most=1_000)
            store.stats()
            store.days()
            for detail in requests_of(store.details(parse("hello"))):
                store.get(detail.summary.id)
            rounds += 1
        return rounds

    def index() -> int:
        while not over.is_set():
            store.build_index()
        return 1

    with ThreadPoolExecutor(5) as pool:
        workers = [pool.submit(walk) for _ in range(4)] + [pool.submit(index)]
        try:
            for held in store.days()[:0:-1]:
                assert store.drop(held.day)
        finally:
            over.set()
        assert all(worker.result(60) for worker in workers)
    assert [day.day for day in store.days()] == ["20260422"]
    assert {row.id for row in newest(store)} == last


def test_a_day_is_trimmed_from_its_oldest_rows_on(store: DayFiles, tmp_path: Path) -> None:
    for n in range(0, 400, 20):
        store.append([finished(m, PAYLOAD) for m in range(n, n + 20)])
    while store.build_index():
        pass
    (day,) = store.days()
    most = day.bytes // 2
    while store.trim("20260314", most):
        pass
    (held,) = store.days()
    assert most * 0.8 < held.bytes <= most
    left = [int(row.id.split("-")[1]) for row in newest(store)]
    assert left == list(range(400, 400 - len(left), -1))
    assert store.rows("20260314") == len(left) < 250
    store.close()
    path = tmp_path / "requests" / "20260314.sqlite3"
    assert path.stat().st_size <= most, "what was free is the disk's again"
    with closing(sqlite3.connect(day_index.index_path(path))) as index:
        (first,) = index.execute("SELECT min(last_seq) FROM blocks").fetchone()
        assert first >= left[-1]


def test_the_newest_row_is_never_trimmed(store: DayFiles) -> None:
    store.append([finished(n, PAYLOAD) for n in range(5)])
    while store.trim("20260314", 0):
        pass
    assert [row.id for row in newest(store)] == ["20260314-5"]
    assert store.append([finished(9)])[0].id == "20260314-6"


def test_a_request_that_was_open_in_a_trimmed_row_is_not_written_any_more(
    store: DayFiles,
) -> None:
    store.append([progressed(1), *on(0, 2, 3, 4, 5), progressed(6)])
    assert [store.build_index(), store.build_index()] == [4, 0]
    while store.trim("20260314", 0):
        pass
    assert [row.id for row in newest(store)] == ["20260314-6"]
    assert store.append([finished(1)]) == []
    assert [(row.id, row.outcome) for row in store.append([finished(6)])] == [("20260314-6", "ok")]
    store.append(on(0, 7, 8, 9))
    assert [store.build_index(), store.build_index()] == [4, 0]


def test_a_file_from_before_is_trimmed_without_giving_room_to_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "requests" / "20260314.sqlite3"
    path.parent.mkdir()
    script = Path(__file__).with_name("day_file_v1.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    with closing(DayFiles(tmp_path)) as store:
        store.append([finished(n, PAYLOAD) for n in range(50)])
        (before,) = store.days()
        while store.trim("20260314", before.bytes // 2):
            pass
        assert store.days()[0].bytes <= before.bytes // 2
        assert len(newest(store)) < 30
