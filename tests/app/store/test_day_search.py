"""Searching the log: SQL and index against the plain reading of a filter, row by row."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import lru_cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.domain import Count, RequestDetail, RequestSummary
from app.log_facts import place_key
from app.search.match import matches
from app.search.terms import Compare, Contains, Filter, Is, Moment, Since, Term, Until
from app.store import day_index, day_pages, day_walk
from app.store.day_files import DayFiles
from app.store.day_index import DayIndex, index_path
from sockcore.events import RequestFinished
from tests.app.store.samples import (
    DAY_US,
    NOON_US,
    content,
    finished,
    progressed,
    requests_of,
)

NOW_US = NOON_US + 3 * DAY_US

PAYLOADS = (
    b"",
    b"PING 7\r\n",
    b"ping 7\r\n",
    "温度 21°C".encode(),
    b"\x00\x01\r\n\x00PiNg",
    b"a" * 300,
    "É ping".encode(),
)
PEERS = ("10.0.0.7:5000", "10.0.0.71:5000", "[fe80::1]:5000", "pid 42", "")
OUTCOMES = ("ok", "ok", "error", "reset")


def request(number: int) -> RequestFinished:
    """Of three days, in a mix that differs in every field."""
    return finished(
        number,
        PAYLOADS[number % len(PAYLOADS)],
        server=("echo", "clock", "my server")[number % 3],
        peer=PEERS[number % len(PEERS)],
        transport=("tcp", "udp", "unix")[number % 3],
        outcome=OUTCOMES[number % len(OUTCOMES)],
        duration_us=number * 1_000,
        sent=content(PAYLOADS[(number * 3 + 1) % len(PAYLOADS)]),
        started_us=NOON_US + number % 3 * DAY_US + number,
    )


ROWS = 210


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DayFiles]:
    """Rows of three days: of the first two all are indexed, of the last one none."""
    folder = tmp_path_factory.mktemp("log")
    with pytest.MonkeyPatch.context() as patch, closing(DayFiles(folder)) as opened:
        patch.setattr(day_index, "BLOCK_ROWS", 10)
        patch.setattr(day_walk, "_PAYLOAD_WINDOW", 7)
        opened.append([request(number) for number in range(ROWS)])
        for day in ("20260314", "20260315"):
            with closing(DayIndex(folder / "requests" / f"{day}.sqlite3")) as index:
                while index.build():
                    pass
                assert index.last_seq()
        yield opened


@lru_cache(maxsize=1)
def everything(store: DayFiles) -> tuple[RequestDetail, ...]:
    """Newest first, each read by itself."""
    found = (store.get(row.id) for row in store.query(limit=10_000).items)
    return tuple(detail for detail in found if detail is not None)


def expected(store: DayFiles, filter_: Filter) -> list[RequestSummary]:
    return [one.summary for one in everything(store) if matches(filter_, one, NOW_US)]


texts = st.sampled_from(["ping", "PING", "温度", "度", "7", "É", "é", "aaaa", "nothing", ""])
terms: st.SearchStrategy[Term] = st.one_of(
    st.builds(Is, st.just("server"), st.sampled_from(["echo", "my server", "no"]), st.booleans()),
    st.builds(
        Is, st.just("peer"), st.sampled_from(["10.0.0.7", "10.", "[", "pid"]), st.booleans()
    ),
    st.builds(Is, st.just("kind"), st.sampled_from(["tcp", "udp", "unix"]), st.booleans()),
    st.builds(Is, st.just("outcome"), st.sampled_from(["ok", "error", "reset"]), st.booleans()),
    st.builds(
        Compare,
        st.sampled_from(["size", "took"]),
        st.sampled_from([">", ">=", "<", "<=", "="]),
        st.sampled_from([0, 16, 300, 10_000, 100_000]),
    ),
    st.builds(Since, st.sampled_from([Moment(us=NOON_US + DAY_US), Moment(ago_s=2 * 86_400)])),
    st.builds(Until, st.sampled_from([Moment(us=NOON_US + DAY_US + 30), Moment(ago_s=86_400)])),
    st.builds(Contains, texts.map(str.encode).filter(bool), st.just(False), st.booleans()),
    st.builds(Contains, st.sampled_from([b"\x00", b"\r\n\x00", b"PING", b"\xb8"]), st.just(True)),
)
filters = st.builds(
    Filter, st.lists(terms, max_size=4).map(tuple), st.sampled_from([None, None, "in", "out"])
)


@given(filter_=filters)
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_what_is_found_is_what_matches(store: DayFiles, filter_: Filter) -> None:
    wanted = expected(store, filter_)
    page = store.query(filter_, limit=1_000, now_us=NOW_US)
    assert list(page.items) == wanted
    assert (page.next, page.partial) == (None, False)
    assert store.count(filter_, most=1_000, now_us=NOW_US) == Count(len(wanted), True)


@given(filter_=filters, limit=st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_pages_both_ways_visit_each_row_once(store: DayFiles, filter_: Filter, limit: int) -> None:
    wanted = expected(store, filter_)
    down: list[RequestSummary] = []
    cursor: str | None = None
    while True:
        page = store.query(filter_, limit=limit, before=cursor, now_us=NOW_US)
        down += page.items
        if page.next is None:
            break
        cursor = page.next
    assert down == wanted
    up: list[RequestSummary] = []
    after: str | None = "00000000-0"
    while after is not None:
        page = store.query(filter_, limit=limit, after=after, now_us=NOW_US)
        up = [*page.items, *up]
        after = page.newer
    assert up == wanted


@given(filter_=filters)
@settings(max_examples=20, deadline=None)
def test_details_are_all_that_matches(store: DayFiles, filter_: Filter) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(day_pages, "DETAILS_AT_ONCE", 7)
        found = list(requests_of(store.details(filter_, now_us=NOW_US)))
    assert [detail.summary for detail in found] == expected(store, filter_)
    assert found == [one for one in everything(store) if matches(filter_, one, NOW_US)]


def test_details_go_on_where_time_was_over(store: DayFiles) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(day_pages, "DETAILS_S", -1)
        patch.setattr("app.store.day_walk.time", Clock())
        found = list(store.details(Filter((Contains(b"ping", False),))))
    assert len(found) == len(expected(store, Filter((Contains(b"ping", False),))))


class Clock:
    """Of which every other look is in time."""

    def __init__(self) -> None:
        self._looks = 0

    def monotonic(self) -> float:
        self._looks += 1
        return -float(self._looks % 3 == 0)


places = st.builds(
    "{}-{}".format,
    st.sampled_from(["00000000", "20260314", "20260315", "20260316", "99999999"]),
    st.integers(0, ROWS + 2),
)


@given(filter_=filters, after=st.none() | places, upto=st.none() | places)
@settings(max_examples=60, deadline=None)
def test_a_part_of_the_log_is_counted(
    store: DayFiles, filter_: Filter, after: str | None, upto: str | None
) -> None:
    low, high = place_key(after or "00000000-0"), place_key(upto or f"99999999-{ROWS}")
    wanted = [row for row in expected(store, filter_) if low < place_key(row.id) <= high]
    counted = store.count(filter_, most=1_000, after=after, upto=upto, now_us=NOW_US)
    assert counted == Count(len(wanted), True)


def test_no_more_is_counted_than_asked_for(store: DayFiles) -> None:
    assert store.count(Filter(), most=ROWS) == Count(ROWS, True)
    assert store.count(Filter(), most=ROWS - 1) == Count(ROWS - 1, False)


def test_out_of_time_it_says_how_far_it_came(store: DayFiles) -> None:
    filter_ = Filter((Contains(b"ping", False),))
    page = store.query(filter_, limit=1_000, time_limit_s=-1)
    assert (page.items, page.partial) == ((), True)
    assert page.next is not None
    rest = store.query(filter_, limit=1_000, before=page.next)
    assert list(rest.items) == expected(store, filter_)
    up = store.query(filter_, limit=1_000, after="00000000-0", time_limit_s=-1)
    assert (up.items, up.partial) == ((), True)
    rest = store.query(filter_, limit=1_000, after=up.newer)
    assert list(rest.items) == expected(store, filter_)
    assert store.count(filter_, most=10, time_limit_s=-1) == Count(0, False)


def spans_of(store_dir: Path, filter_: Filter) -> list[tuple[int, int]]:
    from app.store.day_search import condition

    path = store_dir / "requests" / "20260314.sqlite3"
    return list(day_index.spans(path, condition(filter_, NOW_US), 1, 1_000))


@pytest.fixture
def indexed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DayFiles]:
    """Blocks of five rows, nothing in them yet."""
    monkeypatch.setattr(day_index, "BLOCK_ROWS", 5)
    with closing(DayFiles(tmp_path)) as opened:
        yield opened


def build(folder: Path) -> int:
    done = 0
    with closing(DayIndex(folder / "requests" / "20260314.sqlite3")) as index:
        while rows := index.build():
            done += rows
    return done


def test_blocks_that_cannot_hold_it_are_not_read(indexed: DayFiles, tmp_path: Path) -> None:
    rows = [finished(n, b"plain", peer="10.0.0.1:1") for n in range(20)]
    rows[7] = finished(7, b"a Needle here", peer="10.0.0.9:1")
    indexed.append(rows)
    assert build(tmp_path) == 20
    assert spans_of(tmp_path, Filter((Contains(b"needle", False),))) == [(21, 1000), (6, 10)]
    assert spans_of(tmp_path, Filter((Is("peer", "10.0.0.9"),))) == [(21, 1000), (6, 10)]
    assert spans_of(tmp_path, Filter((Is("peer", "10.0.0.9:1"),))) == [(21, 1000), (6, 10)]
    until = Until(Moment(us=NOON_US + 5))
    assert spans_of(tmp_path, Filter((until,))) == [(21, 1000), (1, 5)]
    assert spans_of(tmp_path, Filter((Contains(b"le", False),))) == [(1, 1000)]  # too short
    (found,) = indexed.query(Filter((Contains(b"needle", False),)), limit=9).items
    assert found.id == "20260314-8"


def test_rows_that_were_open_are_looked_at_and_indexed_anew(
    indexed: DayFiles, tmp_path: Path
) -> None:
    indexed.append([progressed(0, b""), *(finished(n, b"plain") for n in range(1, 10))])
    assert build(tmp_path) == 10
    needle = Filter((Contains(b"needle", False),))
    assert spans_of(tmp_path, needle) == [(11, 1000), (1, 5)]
    indexed.append([finished(0, b"needle")])
    assert [row.id for row in indexed.query(needle, limit=9).items] == ["20260314-1"]
    assert build(tmp_path) == 5
    assert spans_of(tmp_path, needle) == [(11, 1000), (1, 5)]
    assert spans_of(tmp_path, Filter((Contains(b"other", False),))) == [(11, 1000)]


def test_a_rest_of_rows_waits_for_a_block(indexed: DayFiles, tmp_path: Path) -> None:
    indexed.append([finished(n) for n in range(7)])
    assert build(tmp_path) == 5
    assert build(tmp_path) == 0
    assert index_path(tmp_path / "requests" / "20260314.sqlite3").exists()


def test_an_index_of_another_version_is_made_anew(indexed: DayFiles, tmp_path: Path) -> None:
    indexed.append([finished(n) for n in range(5)])
    build(tmp_path)
    path = tmp_path / "requests" / "20260314.sqlite3"
    index = DayIndex(path)
    index._connection.execute("PRAGMA user_version = 99")
    index.close()
    assert build(tmp_path) == 5
