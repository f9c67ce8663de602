"""NewestPage: the live page of a search is what a new look would find, by reading what is new."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.deps import Services
from app.domain import RequestSummary
from app.services.requests import RequestLog
from app.store.day_files import DayFiles
from app.web.log_pages import PAGE_ROWS, NewestPage, search
from tests.app.store.samples import finished, progressed


class Counted(RequestLog):
    """A log that says which pages it was asked for: the filtered ones, by their cursor."""

    def __init__(self, store: DayFiles) -> None:
        super().__init__(store, cast(Any, None))
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


def newest(log: Counted, line: str = "") -> NewestPage:
    return NewestPage(cast(Services, SimpleNamespace(requests=log)), search(line))


def ids(rows: tuple[RequestSummary, ...]) -> list[int]:
    return [int(row.id.partition("-")[2]) for row in rows]


def test_only_what_is_new_is_read(store: DayFiles, log: Counted) -> None:
    page = newest(log, "ping")
    store.append([finished(1, b"ping"), finished(2, b"pong")])
    assert ids(page.refresh(set()).items) == [1]
    store.append([finished(3, b"ping"), finished(4, b"pong")])
    assert ids(page.refresh({"20260314-3", "20260314-4"}).items) == [3, 1]
    assert ids(page.refresh(set()).items) == [3, 1]
    assert log.looks == [None, "20260314-2", "20260314-4"]


def test_a_row_that_was_open_is_told_as_it_is_now(store: DayFiles, log: Counted) -> None:
    page = newest(log)
    store.append([progressed(1), finished(2)])
    assert [row.outcome for row in page.refresh(set()).items] == ["ok", "open"]
    store.append([finished(1)])
    assert [row.outcome for row in page.refresh({"20260314-1"}).items] == ["ok", "ok"]


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
