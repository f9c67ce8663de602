"""NewestPage: the live page of a search is what a new look would find, by reading what is new."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.deps import Services
from app.domain import Count, RequestSummary
from app.log_facts import Gap, GapReason
from app.services.requests import NOWHERE, RequestLog
from app.store.day_files import DayFiles
from app.web.log_pages import PAGE_ROWS, NewestPage, search
from tests.acts import ignore
from tests.app.store.samples import NOON_US, finished, progressed


class Counted(RequestLog):
    """A log that says which pages it was asked for: the filtered ones, by their cursor."""

    def __init__(self, store: DayFiles) -> None:
        super().__init__(store, cast(Any, None), ignore)
        self.looks: list[str | None] = []

    def page(self, *args: Any, **kwargs: Any) -> Any:
        if args:
            self.looks.append(kwargs.get("after"))
        return super().page(*args, **kwargs)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DayFiles]:
    with closing(DayFiles(tmp_path)) as opened:
        yield opened


@pytest.fixture
def log(store: DayFiles) -> Counted:
    return Counted(store)


def newest(log: Counted, line: str = "", since: str | None = None) -> NewestPage:
    return NewestPage(cast(Services, SimpleNamespace(requests=log)), search(line), since)


def ids(rows: tuple[RequestSummary, ...]) -> list[int]:
    return [int(row.id.partition("-")[2]) for row in rows]


def test_only_what_is_new_is_read(store: DayFiles, log: Counted) -> None:
    page = newest(log, "ping")
    store.append([finished(1, b"ping"), finished(2, b"pong")])
    assert ids(page.refresh(set()).items) == [1]
    store.append([finished(3, b"ping"), finished(4, b"pong")])
    assert ids(page.refresh({"20260314-3", "20260314-4"}).items) == [3, 1]
    assert ids(page.refresh(set()).items) == [3, 1]
    assert log.looks == [None, "20260314-2"]


def test_a_row_that_was_open_is_told_as_it_is_now(store: DayFiles, log: Counted) -> None:
    page = newest(log)
    store.append([progressed(1), finished(2)])
    assert [row.outcome for row in page.refresh(set()).items] == ["ok", "open"]
    store.append([finished(1)])
    assert [row.outcome for row in page.refresh({"20260314-1"}).items] == ["ok", "ok"]


def test_one_that_was_open_is_found_when_it_ends_as_is_searched_for(
    store: DayFiles, log: Counted
) -> None:
    page, still_open = newest(log, "outcome:error"), newest(log, "outcome:open")
    store.append([progressed(1), finished(2)])
    assert ids(page.refresh(None).items) == []
    assert ids(still_open.refresh(None).items) == [1]
    store.append([finished(1, outcome="error")])
    assert ids(page.refresh({"20260314-1"}).items) == [1]
    assert ids(still_open.refresh({"20260314-1"}).items) == []


def test_what_came_is_counted_once_however_it_is_looked_at(
    store: DayFiles, log: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.append([finished(1, b"ping"), finished(2, b"pong")])
    page = newest(log, "ping", since="20260314-1")
    page.refresh(None)
    assert (page.place, page.more) == ("20260314-2", Count(0, exact=True))
    counted = 0
    for size in (1, PAGE_ROWS, PAGE_ROWS + 1, 3):
        store.append([finished(100 * size + n, b"ping") for n in range(size)])
        store.append([finished(100 * size + 99, b"pong")])
        rows = page.refresh(set()).items
        assert page.more == Count(size, exact=True)
        assert rows == log.page(search("ping").filter, limit=PAGE_ROWS).items
        counted += page.more.rows
    again = newest(log, "ping", since="20260314-2")
    again.refresh(None)
    assert (again.place, again.more.rows) == (page.place, counted)


def test_what_comes_while_it_looks_comes_with_the_next_look(
    store: DayFiles, log: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = newest(log)
    store.append([finished(1)])
    page.refresh(None)
    store.append([finished(2)])
    asked = log.newest

    def late() -> str:
        found = asked()
        store.append([finished(3)])
        return found

    monkeypatch.setattr(log, "newest", late)
    assert (ids(page.refresh(set()).items), page.more.rows) == ([2, 1], 1)
    monkeypatch.setattr(log, "newest", asked)
    assert (ids(page.refresh(set()).items), page.more.rows) == ([3, 2, 1], 1)
    monkeypatch.setattr(log, "newest", late)
    assert (ids(page.refresh(None).items), page.more.rows) == ([3, 2, 1], 0)


def test_what_was_deleted_goes_once_that_is_heard(store: DayFiles, log: Counted) -> None:
    page = newest(log)
    store.append([finished(1)])
    assert ids(page.refresh(None).items) == [1]
    store.drop("20260314")
    assert ids(page.refresh(None).items) == []
    assert page.place == NOWHERE
    store.append([finished(2)])
    assert ids(page.refresh(set()).items) == [2]


@pytest.mark.parametrize("more", [0, 1, 3, PAGE_ROWS, PAGE_ROWS + 1])
@pytest.mark.parametrize("first", [1, PAGE_ROWS - 1, PAGE_ROWS, PAGE_ROWS + 1])
def test_it_is_the_page_that_a_new_look_finds(
    store: DayFiles, log: Counted, first: int, more: int
) -> None:
    page = newest(log)
    store.append([finished(n) for n in range(first)])
    page.refresh(set())
    store.append([finished(first + n) for n in range(more)])
    anew = log.page(limit=PAGE_ROWS)
    found = page.refresh(set())
    assert (found.items, found.next) == (anew.items, anew.next)


def gap(reason: GapReason = "stalled") -> Gap:
    return Gap(reason=reason, began_us=NOON_US, ended_us=NOON_US + 1, missing=None)


def test_a_gap_that_is_told_of_is_on_it_until_it_is_pushed_out(
    store: DayFiles, log: Counted
) -> None:
    page = newest(log)
    store.append([finished(1)])
    page.refresh(set())
    noted = store.note(gap())
    assert page.refresh(set()).gaps == ()
    assert page.refresh(None).gaps == (noted,)
    store.append([finished(n) for n in range(2, PAGE_ROWS + 1)])
    assert page.refresh(set()).gaps == (noted,)
    store.append([finished(PAGE_ROWS + 1)])
    assert page.refresh(set()).gaps == ()
    assert log.page(limit=PAGE_ROWS).gaps == ()


def test_a_log_of_gaps_alone_lives_too(store: DayFiles, log: Counted) -> None:
    page = newest(log)
    assert page.refresh(set()).gaps == ()
    noted = store.note(gap())
    assert page.refresh(None).gaps == (noted,)
    store.append([finished(1)])
    found = page.refresh(set())
    assert (ids(found.items), found.gaps) == ([1], (noted,))
