"""Gaps in the log: noted once, found at their place, on one page of those that lead through it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from app.domain import RequestDetail, RequestSummary
from app.log_facts import Gap, interleaved
from app.search.line import parse
from app.store import day_gaps, day_pages
from app.store.day_files import DayFiles
from tests.app.store.samples import DAY_US, NOON_US, finished

DAYS = 3


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DayFiles]:
    with closing(DayFiles(tmp_path)) as opened:
        yield opened


def gap(number: int, **changes: object) -> Gap:
    """It lasted from request `number` until a second later."""
    facts: dict[str, object] = {
        "reason": "dropped",
        "began_us": NOON_US + number,
        "ended_us": NOON_US + number + 1_000_000,
        "missing": number,
    }
    return Gap(**{**facts, **changes})  # type: ignore[arg-type]


def fill(store: DayFiles) -> list[str]:
    """Thirty rows over three days with gaps here and there. Returns: all of it, newest first."""
    story: list[str] = []
    for number in range(30):
        if number in (0, 4, 5, 10, 20, 29):
            noted = store.note(gap(number))
            story.append(f"gap {noted.missing}")
            if number == 5:
                noted = store.note(gap(500))
                story.append("gap 500")
        server = ("echo", "clock")[number % 2]
        started_us = NOON_US + number // 10 * DAY_US + number
        (row,) = store.append([finished(number, server=server, started_us=started_us)])
        story.append(row.id)
    story.append(f"gap {store.note(gap(999)).missing}")
    return story[::-1]


def told(row: RequestSummary | RequestDetail | Gap) -> str:
    if isinstance(row, Gap):
        return f"gap {row.missing}"
    return row.id if isinstance(row, RequestSummary) else row.summary.id


def pages_down(store: DayFiles, line: str, limit: int) -> list[str]:
    found: list[str] = []
    before: str | None = None
    while True:
        page = store.query(parse(line), limit=limit, before=before)
        found += map(told, interleaved(((r.id, r) for r in page.items), page.gaps))
        if (before := page.next) is None:
            return found


@pytest.mark.parametrize("limit", [1, 3, 10, 100])
def test_a_gap_is_on_one_page_at_its_place(store: DayFiles, limit: int) -> None:
    story = fill(store)
    assert pages_down(store, "", limit) == story
    of_echo = [each for each in story if each.startswith("gap") or int(each[9:]) % 2]
    assert pages_down(store, "server:echo", limit) == of_echo


@pytest.mark.parametrize("limit", [1, 3, 10, 100])
def test_the_way_up_finds_what_the_way_down_does(store: DayFiles, limit: int) -> None:
    story = fill(store)
    first = story[-2]  # the oldest row; the gap before it is on the page where it is
    found: list[str] = []
    after: str | None = first
    while after is not None:
        page = store.query(limit=limit, after=after)
        found[:0] = map(told, interleaved(((r.id, r) for r in page.items), page.gaps))
        after = page.newer
    assert found == story[:-2]


def test_a_walk_over_details_has_them_too(
    store: DayFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(day_pages, "DETAILS_AT_ONCE", 4)
    story = fill(store)
    assert list(map(told, store.details())) == story


@pytest.mark.parametrize("most", [3, 4, 8, 9])
def test_a_walk_over_details_reads_a_few_gaps_at_a_time(
    store: DayFiles, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    story = fill(store)
    monkeypatch.setattr(day_gaps, "MOST", most)
    assert list(map(told, store.details())) == story


@pytest.mark.parametrize("line", ["peer:127", "outcome:ok", "hello", "-outcome:error", "dir:in"])
def test_a_search_for_what_a_gap_has_not_finds_none(store: DayFiles, line: str) -> None:
    fill(store)
    assert store.query(parse(line), limit=100).gaps == ()
    assert store.query(parse(line), limit=100).items


def test_a_search_for_a_time_finds_the_gaps_that_touch_it(store: DayFiles) -> None:
    store.append([finished(1)])
    back = gap(1, reason="clock_step", began_us=NOON_US + 500, ended_us=NOON_US - 500)
    store.note(back)
    for line, found in (
        ("after:2026-03-14T12:00:00", 1),
        ("after:2026-03-14T12:00:01", 0),
        ("before:2026-03-14T12:00:00", 1),
        ("before:2026-03-14T11:59:59", 0),
    ):
        assert len(store.query(parse(line), limit=9).gaps) == found, line


def test_gaps_are_no_requests(store: DayFiles) -> None:
    store.note(gap(1))
    store.append([finished(1)])
    store.note(gap(2))
    assert store.count(parse(""), most=100).rows == 1
    assert store.stats().durable_seq == 1
    assert store.rows("20260314") == 1


def test_a_log_of_gaps_alone_can_be_read(store: DayFiles) -> None:
    noted = store.note(gap(7))
    assert noted.after == "20260314-0"
    page = store.query(limit=5)
    assert (page.items, page.gaps, page.next) == ((), (noted,), None)
    assert list(store.details()) == [noted]


def test_what_is_noted_twice_is_there_once_and_outlives_the_process(tmp_path: Path) -> None:
    with closing(DayFiles(tmp_path)) as store:
        store.append([finished(1)])
        assert store.note(gap(1)) == store.note(gap(1))
        store.note(gap(1, reason="no_room", missing=None))
    with closing(DayFiles(tmp_path)) as store:
        found = store.query(limit=5).gaps
        assert [(g.reason, g.missing) for g in found] == [("no_room", None), ("dropped", 1)]
        (row,) = store.append([finished(2)])
        assert row.id == "20260314-2"


def test_rows_that_are_trimmed_take_their_gaps_along(store: DayFiles) -> None:
    for number in range(1, 4):
        store.append([finished(number, bytes(60_000))])
        store.note(gap(number))
    while store.trim("20260314", 1):
        pass
    assert [g.missing for g in store.query(limit=9).gaps] == [3]


def test_a_gap_goes_with_its_day(store: DayFiles) -> None:
    fill(store)
    assert store.drop("20260316")
    assert pages_down(store, "", 100)[0] == "gap 20"


def test_a_file_that_is_damaged_when_a_gap_is_noted_is_moved_aside(
    store: DayFiles, tmp_path: Path
) -> None:
    store.append([finished(1)])
    store.close()
    (tmp_path / "requests" / "20260314.sqlite3").write_bytes(b"no database at all " * 1_000)
    noted = store.note(gap(1))
    assert store.query(limit=5).gaps == (noted,)
    assert len(store.damaged()) == 1


def test_a_file_of_version_2_learns_of_gaps(tmp_path: Path) -> None:
    with closing(DayFiles(tmp_path)) as store:
        store.append([finished(1)])
    path = tmp_path / "requests" / "20260314.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("DROP TABLE gaps; PRAGMA user_version = 2")
    with closing(DayFiles(tmp_path)) as store:
        assert len(store.query(limit=5).items) == 1
        noted = store.note(gap(1))
        assert store.query(limit=5).gaps == (noted,)
