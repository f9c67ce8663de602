"""Deleting what a search finds: fixed when it is counted, confirmed, stopped, and told of."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.errors import Conflict, Invalid, NotFound
from app.log_facts import LogStats
from app.search.line import parse
from app.services.deletions import Deletion, Deletions
from app.store import day_chosen
from app.store.day_files import DayFiles
from app.store.requests import Chosen, Deleted
from app.who import SOCKPIT, Who
from tests.acts import ignore
from tests.app.store.samples import DAY_US, NOON_US, finished, progressed
from tests.waiting import equal, eventually

IDLE = LogStats(received=0, stored=0, dropped=0, pending=0, writer_lag_ms=0, state="ok")
NOW_US = NOON_US + 30 * DAY_US


class Gated(DayFiles):
    """A store whose deletions wait for a gate, and may fail."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.gate = threading.Semaphore(0)
        self.error: Exception | None = None

    def delete(self, chosen: Chosen, **place: Any) -> Deleted:
        self.gate.acquire()
        if self.error:
            raise self.error
        return super().delete(chosen, **place)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gated]:
    monkeypatch.setattr(day_chosen, "MOST_ROWS", 2)
    with closing(Gated(tmp_path)) as opened:
        yield opened


@pytest.fixture
def told() -> list[None]:
    """One for each time that requests were said to be deleted."""
    return []


@pytest.fixture
def deletions(store: Gated, told: list[None]) -> Iterator[Deletions]:
    made = Deletions(store, lambda: IDLE, lambda: told.append(None), ignore, lambda: NOW_US)
    made.start()
    yield made
    store.gate.release(1_000)
    made.stop(20)


def fill(store: DayFiles) -> None:
    """Six of the echo and two of the clock, on two days; one is open."""
    store.append([finished(n) for n in range(6)])
    late = NOON_US + DAY_US
    store.append([finished(n, server="clock", started_us=late) for n in (10, 11)])
    store.append([progressed(12, started_us=late)])


def counted(deletions: Deletions, line: str) -> Deletion:
    planned = deletions.plan(parse(line), SOCKPIT)
    return reaches(deletions, planned.id, "counted")


def reaches(deletions: Deletions, id_: str, state: str) -> Deletion:
    equal(lambda: deletions.get(id_).state, state)
    return deletions.get(id_)


def left(store: DayFiles) -> int:
    return len(store.query(limit=100).items)


def test_it_is_counted_first(store: Gated, deletions: Deletions) -> None:
    fill(store)
    found = counted(deletions, "-server:nobody")
    assert (found.rows, dict(found.servers)) == (8, {"echo": 6, "clock": 2})
    assert (found.oldest_us, found.newest_us) == (NOON_US, NOON_US + DAY_US)
    assert (found.deleted, left(store)) == (0, 9)
    assert counted(deletions, "server:none").rows == 0


def test_what_is_confirmed_goes_and_is_told(
    store: Gated, deletions: Deletions, told: list[None], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.deletions")
    fill(store)
    found = counted(deletions, 'server:echo "hello"')
    store.append([finished(20)])
    ana = Who(kind="user", name="ana", role="admin", address="192.0.2.1")
    deletions.confirm(found.id, 6, ana)
    store.gate.release(1)
    eventually(lambda: deletions.get(found.id).deleted == 2)
    assert (deletions.get(found.id).state, told) == ("deleting", [])
    store.gate.release(100)
    done = reaches(deletions, found.id, "done")
    assert (done.deleted, done.is_active, left(store)) == (6, False, 4)
    equal(lambda: len(told), 1)
    assert caplog.messages == [
        "deleting 6 requests, asked by ana from 192.0.2.1: 'server:echo hello'",
        "deleting requests done: 6 of 6 went, asked by ana from 192.0.2.1: 'server:echo hello'",
    ]


def test_a_line_break_in_a_search_is_none_in_the_log(
    store: Gated, deletions: Deletions, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.deletions")
    fill(store)
    found = counted(deletions, '-"\x1b]0;x\x07\u202e"')
    deletions.confirm(found.id, found.rows, SOCKPIT)
    assert caplog.messages[0].isprintable()


def test_another_number_confirms_nothing(store: Gated, deletions: Deletions) -> None:
    fill(store)
    found = counted(deletions, "server:echo")
    for rows in (0, 5, 7):
        with pytest.raises(Invalid) as refused:
            deletions.confirm(found.id, rows, SOCKPIT)
        assert (refused.value.code, refused.value.field) == ("wrong_count", "rows")
    assert (deletions.get(found.id).state, left(store)) == ("counted", 9)


def test_it_is_confirmed_once(store: Gated, deletions: Deletions) -> None:
    fill(store)
    found = counted(deletions, "server:echo")
    deletions.confirm(found.id, 6, SOCKPIT)
    with pytest.raises(Conflict) as refused:
        deletions.confirm(found.id, 6, SOCKPIT)
    assert refused.value.code == "deletion_not_counted"


def test_nothing_found_is_nothing_deleted(store: Gated, deletions: Deletions) -> None:
    found = counted(deletions, "server:echo")
    store.gate.release(1)
    deletions.confirm(found.id, 0, SOCKPIT)
    assert reaches(deletions, found.id, "done").deleted == 0


def test_what_is_cancelled_goes_no_further(
    store: Gated, deletions: Deletions, told: list[None]
) -> None:
    fill(store)
    found = counted(deletions, "server:echo")
    deletions.confirm(found.id, 6, SOCKPIT)
    store.gate.release(1)
    eventually(lambda: deletions.get(found.id).deleted == 2)
    assert deletions.cancel(found.id, SOCKPIT).state == "cancelled"
    store.gate.release(100)
    eventually(lambda: not deletions.get(found.id).is_active)
    ended = deletions.get(found.id)
    # A step that had begun was done to its end.
    assert (ended.state, ended.deleted) in [("cancelled", 2), ("cancelled", 4)]
    assert left(store) == 9 - ended.deleted
    equal(lambda: len(told), 1)
    assert deletions.cancel(found.id, SOCKPIT) == ended


def test_what_was_only_counted_is_cancelled_without_a_word(
    store: Gated, deletions: Deletions, told: list[None]
) -> None:
    fill(store)
    found = counted(deletions, "server:echo")
    deletions.cancel(found.id, SOCKPIT)
    with pytest.raises(Conflict):
        deletions.confirm(found.id, 6, SOCKPIT)
    assert (left(store), told) == (9, [])


def test_one_that_fails_says_why_and_lets_others_go_on(
    store: Gated, deletions: Deletions, caplog: pytest.LogCaptureFixture
) -> None:
    fill(store)
    first, second = counted(deletions, "server:echo"), counted(deletions, "server:clock")
    store.error = OSError("no disk")
    store.gate.release(1)
    deletions.confirm(first.id, 6, SOCKPIT)
    failed = reaches(deletions, first.id, "failed")
    assert (failed.error, failed.is_active) == ("OSError: no disk", False)
    assert "counting or deleting requests failed" in caplog.text
    store.error = None
    store.gate.release(100)
    deletions.confirm(second.id, 2, SOCKPIT)
    assert reaches(deletions, second.id, "done").deleted == 2
    assert left(store) == 7


def test_serving_comes_first(store: Gated, tmp_path: Path) -> None:
    busy = LogStats(received=0, stored=0, dropped=0, pending=5_000, writer_lag_ms=9, state="ok")
    now = [busy]
    fill(store)
    made = Deletions(store, lambda: now[0], lambda: None, ignore)
    made.start()
    planned = made.plan(parse("server:echo"), SOCKPIT)
    assert made.get(planned.id).state == "counting"
    now[0] = IDLE
    equal(lambda: made.get(planned.id).rows, 6)
    made.stop(20)


def test_all_of_the_log_is_not_deleted_by_leaving_the_search_out(deletions: Deletions) -> None:
    with pytest.raises(Invalid) as refused:
        deletions.plan(parse("  "), SOCKPIT)
    assert (refused.value.code, refused.value.field) == ("search_empty", "q")


def test_only_the_latest_are_remembered(store: Gated, deletions: Deletions) -> None:
    first = counted(deletions, "server:echo")
    for _ in range(60):
        last = deletions.plan(parse("server:echo"), SOCKPIT)
    with pytest.raises(NotFound):
        deletions.get(first.id)
    assert reaches(deletions, last.id, "counted").rows == 0


def test_a_stop_does_not_wait_for_the_rest(store: Gated, deletions: Deletions) -> None:
    fill(store)
    found = counted(deletions, "server:echo")
    deletions.confirm(found.id, 6, SOCKPIT)
    store.gate.release(1)
    deletions.stop(20)
    assert left(store) >= 5
