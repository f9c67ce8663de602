"""Reading the log by pages: order, cursors, and readers beside the writer."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from app.domain import RequestSummary
from app.errors import Invalid
from app.search.terms import Filter, Is
from app.store import day_reader, day_schema
from app.store.day_files import DayFiles
from app.store.day_search import condition
from tests.app.store.samples import DAY_US, NOON_US, finished, progressed


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DayFiles]:
    with closing(DayFiles(tmp_path)) as opened:
        yield opened


def of(server: str | None) -> Filter:
    return Filter((Is("server", server),)) if server else Filter()


def walk(store: DayFiles, limit: int, server: str | None = None) -> Iterator[RequestSummary]:
    """Every row, page by page."""
    before: str | None = None
    while True:
        page = store.query(of(server), limit=limit, before=before)
        assert len(page.items) <= limit
        yield from page.items
        if page.next is None:
            return
        assert len(page.items) == limit
        before = page.next


@pytest.fixture
def three_days(store: DayFiles) -> list[RequestSummary]:
    """30 rows over three days, of two servers in turn; newest first."""
    rows = [
        store.append(
            [finished(n, server=("echo", "clock")[n % 2], started_us=NOON_US + n // 10 * DAY_US)]
        )[0]
        for n in range(30)
    ]
    return rows[::-1]


@pytest.mark.parametrize("limit", [1, 3, 10, 29, 30, 31])
def test_pages_of_any_size_visit_every_row_once_newest_first(
    store: DayFiles, three_days: list[RequestSummary], limit: int
) -> None:
    assert list(walk(store, limit)) == three_days


@pytest.mark.parametrize("limit", [1, 4, 15, 16])
def test_pages_of_one_server_hold_only_its_rows(
    store: DayFiles, three_days: list[RequestSummary], limit: int
) -> None:
    expected = [row for row in three_days if row.server == "clock"]
    assert list(walk(store, limit, "clock")) == expected
    assert list(walk(store, limit, "nobody")) == []


def test_a_last_page_that_is_full_has_no_next(
    store: DayFiles, three_days: list[RequestSummary]
) -> None:
    assert store.query(limit=30, before=None).next is None
    assert store.query(limit=29, before=None).next == three_days[28].id
    assert store.query(limit=5, before=three_days[-1].id).items == ()


def test_a_cursor_is_any_place_not_only_that_of_a_row(
    store: DayFiles, three_days: list[RequestSummary]
) -> None:
    assert store.query(limit=1, before="99991231-1").items == (three_days[0],)
    assert store.query(limit=1, before="20260315-9223372036854775807").items == (three_days[10],)
    assert store.query(limit=1, before="20260101-5").items == ()


@pytest.mark.parametrize(
    "cursor",
    ["", "1", "20260314", "20260314-", "20260314-01", "20260314-1 ", "20260314-1\n"]
    + ["2026-03-14", "20260314--1", "../control-1", "20260314-٣", "20260314-9999999999999999999"],
)
def test_what_is_no_id_is_a_bad_cursor_and_no_request(
    store: DayFiles, three_days: list[RequestSummary], cursor: str
) -> None:
    with pytest.raises(Invalid) as refused:
        store.query(limit=5, before=cursor)
    assert (refused.value.code, refused.value.field) == ("bad_cursor", "before")
    assert store.get(cursor) is None


def test_an_id_of_no_row_is_no_request(store: DayFiles, tmp_path: Path) -> None:
    store.append([finished(1)])
    assert store.get("20260314-1") is not None
    assert store.get("20260314-2") is None
    assert store.get("20260313-1") is None
    assert not (tmp_path / "requests" / "20260313.sqlite3").exists()


def test_rows_that_come_while_paging_neither_hide_nor_repeat_one(store: DayFiles) -> None:
    there = store.append([finished(n) for n in range(40)])
    seen = []
    for n, row in enumerate(walk(store, 3)):
        seen.append(row.id)
        # Two days at once, also the one that is being paged through.
        store.append([finished(100 + n), finished(200 + n, started_us=NOON_US + DAY_US)])
    assert seen == [row.id for row in there[::-1]]


def test_readers_beside_the_writer_see_whole_batches_in_order(store: DayFiles) -> None:
    over = threading.Event()

    def read() -> int:
        rounds = 0
        while not over.is_set() or rounds == 0:
            seqs = [int(row.id.split("-")[1]) for row in walk(store, 7)]
            assert seqs == sorted(seqs, reverse=True)
            newest = store.query(limit=1_000).items
            assert len(newest) % 10 == 0
            if newest:
                found = store.get(newest[0].id)
                assert found is not None
                assert found.received.prefix == b"%d" % (len(newest) - 1)
            rounds += 1
        return rounds

    with ThreadPoolExecutor(4) as pool:
        readers = [pool.submit(read) for _ in range(4)]
        try:
            for start in range(0, 400, 10):
                store.append([finished(n, b"%d" % n) for n in range(start, start + 10)])
        finally:
            over.set()
        assert all(reader.result() >= 1 for reader in readers)
    assert len(list(walk(store, 50))) == 400


def test_a_reader_sees_a_day_that_began_after_it_did(tmp_path: Path) -> None:
    reader = DayFiles(tmp_path)
    with closing(DayFiles(tmp_path)) as writer:
        assert reader.query(limit=5).items == ()
        for day in range(3):
            (row,) = writer.append([finished(day, started_us=NOON_US + day * DAY_US)])
            assert reader.query(limit=5).items[0] == row
    reader.close()


def test_a_reader_cannot_write(store: DayFiles, tmp_path: Path) -> None:
    store.append([finished(1)])
    with day_reader.reading(tmp_path / "requests" / "20260314.sqlite3") as connection:
        assert connection is not None
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            connection.execute("DELETE FROM requests")


def test_no_usual_page_sorts_or_scans(store: DayFiles, tmp_path: Path) -> None:
    store.append([finished(1), progressed(2)])
    plans = {}
    with day_reader.reading(tmp_path / "requests" / "20260314.sqlite3") as connection:
        assert connection is not None
        for name, filter_ in (
            ("all", Filter()),
            ("one", Filter((Is("server", "echo"),))),
            ("errors", Filter((Is("outcome", "error"), Is("outcome", "reset")))),
        ):
            wanted = condition(filter_, NOON_US)
            rows = connection.execute(
                f"EXPLAIN QUERY PLAN {day_schema.SUMMARIES} WHERE seq BETWEEN ? AND ? "
                f"AND {wanted.sql} ORDER BY seq DESC LIMIT ?",
                (1, 5, *wanted.values, 10),
            )
            plans[name] = [row[-1] for row in rows]
    assert plans == {
        "all": ["SEARCH requests USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"],
        "one": [
            "SEARCH requests USING INDEX requests_by_server (server=? AND rowid>? AND rowid<?)"
        ],
        "errors": ["SEARCH requests USING INDEX requests_unusual (seq>? AND seq<?)"],
    }
