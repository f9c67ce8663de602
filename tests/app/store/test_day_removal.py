"""What is chosen is counted and deleted, and nothing else: against the plain reading of it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import RequestDetail
from app.log_facts import Gap, place_key
from app.search.line import parse
from app.search.match import matches
from app.search.terms import Filter
from app.store import day_chosen, day_index
from app.store.day_files import DayFiles
from app.store.day_index import index_path
from app.store.requests import Chosen
from tests.app.store.samples import DAY_US, NOON_US, finished, progressed
from tests.app.store.test_day_drop import files, on
from tests.app.store.test_day_search import NOW_US, filters, places, request
from tests.running import short_folder

PAYLOAD = bytes(range(256)) * 64  # 16 KiB

EVERYTHING = Filter()


def chosen(
    filter_: Filter = EVERYTHING, upto: str = "99999999-9999", now_us: int = NOW_US
) -> Chosen:
    return Chosen(filter_, upto, now_us)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DayFiles]:
    """Index blocks of four rows; three rows go at once."""
    with opened(tmp_path, monkeypatch) as made:
        yield made


def opened(folder: Path, patch: pytest.MonkeyPatch) -> closing[DayFiles]:
    patch.setattr(day_index, "BLOCK_ROWS", 4)
    patch.setattr(day_chosen, "MOST_ROWS", 3)
    return closing(DayFiles(folder))


def ids(store: DayFiles) -> list[str]:
    return [row.id for row in store.query(limit=1_000).items]


def delete(store: DayFiles, what: Chosen) -> int:
    """All of it; what each step may delete is checked."""
    rows, days, before = 0, set[str](), None
    while True:
        step = store.delete(what, before=before)
        assert step.rows <= day_chosen.MOST_ROWS
        rows += step.rows
        days.update(step.days)
        before = step.next
        if before is None:
            break
    for day in days:
        while store.give_back(day):
            pass
    return rows


def counted(store: DayFiles, what: Chosen, time_limit_s: float = 1.0) -> tuple[int, Counter[str]]:
    servers, before, rows = Counter[str](), None, 0
    while True:
        part = store.tally(what, before=before, time_limit_s=time_limit_s)
        rows += part.rows
        servers.update(part.servers)
        before = part.next
        if before is None:
            return rows, servers


def requests_of(store: DayFiles) -> list[RequestDetail]:
    """All of a log that has no gaps."""
    return [one for one in store.details() if isinstance(one, RequestDetail)]


def naive(store: DayFiles, what: Chosen) -> list[RequestDetail]:
    return [
        one
        for one in requests_of(store)
        if matches(what.filter, one, what.now_us)
        and place_key(one.summary.id) <= place_key(what.upto)
        and place_key(one.summary.id)[1] <= place_key(what.upto)[1]
        and one.summary.outcome != "open"
        and one.summary.started_us + one.summary.duration_us <= what.now_us
    ]


@given(
    filter_=filters,
    upto=places,
    now_us=st.sampled_from([NOW_US, NOON_US + DAY_US + 20_000]),
    indexed=st.integers(0, 12),
)
@settings(max_examples=40, deadline=None)
def test_what_is_left_is_all_that_was_not_chosen(
    filter_: Filter, upto: str, now_us: int, indexed: int
) -> None:
    what = chosen(filter_, upto, now_us)
    with (
        short_folder() as folder,
        pytest.MonkeyPatch.context() as patch,
        opened(folder, patch) as store,
    ):
        store.append([request(n) for n in range(40)] + [progressed(900), progressed(901)])
        for _ in range(indexed):
            store.build_index()
        before, gone = requests_of(store), naive(store, what)
        servers = Counter(one.summary.server for one in gone)
        assert counted(store, what) == (len(gone), servers)
        assert delete(store, what) == len(gone)
        left = [one for one in before if one not in gone]
        assert requests_of(store) == left
        while store.build_index():
            pass
        found = [row.id for row in store.query(filter_, limit=100, now_us=now_us).items]
        assert found == [o.summary.id for o in left if matches(filter_, o, now_us)]


def test_a_tally_goes_on_where_its_time_was_over(store: DayFiles) -> None:
    store.append([request(n) for n in range(40)])
    whole = store.tally(chosen(), time_limit_s=10)
    assert (whole.rows, whole.next) == (40, None)
    assert sum(whole.servers.values()) == 40
    assert (whole.oldest_us, whole.newest_us) == (NOON_US, NOON_US + 2 * DAY_US + 38)
    late = store.tally(chosen(), time_limit_s=-1)
    assert (late.rows, late.oldest_us) == (0, None)
    assert late.next is not None
    assert store.tally(chosen(), before=late.next, time_limit_s=10).rows == 40
    assert store.tally(chosen(), before="20260315-2").rows < 40


def test_what_comes_and_what_ends_later_stays(store: DayFiles) -> None:
    store.append([*on(0, 1, 2, 3), progressed(4)])
    what = chosen(upto=ids(store)[0], now_us=NOON_US + 10_000)
    store.append([*on(0, 5), finished(4, duration_us=20_000)])
    assert (counted(store, what)[0], delete(store, what)) == (3, 3)
    assert ids(store) == ["20260314-5", "20260314-4"]
    assert store.append([finished(6)])[0].id == "20260314-6"


def test_appends_between_two_steps_are_neither_held_up_nor_deleted(store: DayFiles) -> None:
    store.append(on(0, *range(10)))
    what = chosen(upto="20260314-10")
    first = store.delete(what)
    assert (first.rows, first.days, first.next) == (3, ("20260314",), "20260314-8")
    store.append(on(0, 20))
    assert store.delete(what, before=first.next).next == "20260314-5"
    assert ids(store) == [f"20260314-{seq}" for seq in (11, 4, 3, 2, 1)]


def test_few_large_rows_go_at_once(store: DayFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(day_chosen, "MOST_BYTES", 2)
    store.append([finished(n, b"x") for n in range(4)])
    assert [store.delete(chosen()).rows for _ in range(5)] == [1, 1, 1, 1, 0]


def test_the_index_knows_nothing_of_what_is_gone(store: DayFiles, tmp_path: Path) -> None:
    peers = "10.1.1.1:1", "10.2.2.2:2"
    for block, peer in enumerate(peers):
        data = (b"some secret text", b"plain text")[block]
        store.append([finished(10 * block + n, data, peer=peer) for n in range(4)])
    assert [store.build_index() for _ in range(3)] == [4, 4, 0]
    delete(store, chosen(parse('"secret"')))
    path = index_path(tmp_path / "requests" / "20260314.sqlite3")
    with closing(sqlite3.connect(path)) as index:
        wiped = index.execute(
            "SELECT hosts, hex(grams) FROM blocks WHERE first_seq = 1"
        ).fetchone()
    assert (wiped[0], set(wiped[1])) == (None, {"0"})
    assert [row.id for row in store.query(parse("plain"), limit=9).items] == [
        f"20260314-{seq}" for seq in (8, 7, 6, 5)
    ]
    assert store.build_index() == 0
    with closing(sqlite3.connect(path)) as index:
        assert index.execute("SELECT first_seq FROM blocks").fetchall() == [(5,)]


def test_a_block_that_lost_some_is_built_anew_also_of_a_day_that_is_over(store: DayFiles) -> None:
    store.append([*on(0, 1, 2, 3, 4), *on(1, 5)])
    while store.build_index():
        pass
    delete(store, chosen(upto="20260314-2"))
    assert store.build_index() == 2
    assert store.build_index() == 0
    assert ids(store) == ["20260315-5", "20260314-4", "20260314-3"]


def test_room_is_given_back_and_a_day_without_a_row_goes(store: DayFiles, tmp_path: Path) -> None:
    payload = [finished(n, PAYLOAD, sent=finished(0, PAYLOAD).sent) for n in range(200)]
    store.append([*payload, *on(1, 900)])
    path = tmp_path / "requests" / "20260314.sqlite3"
    store.close()
    full = path.stat().st_size
    with closing(DayFiles(tmp_path)) as again:
        delete(again, chosen(upto="20260314-190"))
    assert path.stat().st_size < full / 10
    with closing(DayFiles(tmp_path)) as again:
        assert len(ids(again)) == 11
        delete(again, chosen(upto="20260314-200"))
        assert {name.partition(".")[0] for name in files(tmp_path)} == {"20260315"}
        assert ids(again) == ["20260315-201"]


def test_the_place_of_a_row_that_is_gone_is_never_given_again(tmp_path: Path) -> None:
    with closing(DayFiles(tmp_path)) as store:
        store.append(on(0, 1, 2, 3))
        assert store.delete(chosen(parse("took:>0s"), upto="20260314-3")).rows == 3
        store.append(on(0, 4))
        assert store.delete(chosen()).rows == 1
    with closing(DayFiles(tmp_path)) as store:
        assert [row.id for row in store.append(on(0, 5))] == ["20260314-5"]
        assert store.stats().durable_seq == 5


def test_a_day_that_was_dropped_or_is_damaged_meanwhile_ends_it_there(
    store: DayFiles, tmp_path: Path
) -> None:
    store.append([*on(0, 1, 2), *on(1, 3)])
    store.drop("20260315")
    assert not store.give_back("20260315")
    path = tmp_path / "requests" / "20260314.sqlite3"
    store.close()
    path.write_bytes(b"no database at all " * 100)
    assert store.delete(chosen()).rows == 0
    assert [file.name.partition("-")[0] for file in store.damaged()] == ["20260314"]


def test_what_was_missing_is_still_told_of_when_all_requests_are_gone(store: DayFiles) -> None:
    store.append([request(n) for n in range(5)])
    noted = store.note(Gap(reason="failed", began_us=1, ended_us=NOON_US, missing=3))
    assert delete(store, chosen()) == 5
    assert list(store.details()) == [noted]
