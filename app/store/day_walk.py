"""Walks over day files from a place in the log on, for pages and counts, within a time limit.

Rows are read in windows of seqs, so that a walk that runs out of time can say how far it came.
Of a file that is dropped amid it a walk has what it read before.
Knows nothing of who writes.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from app.domain import Page, RequestSummary
from app.store import day_schema, day_search
from app.store.day_index import Span, spans
from app.store.day_places import NEWEST, Place, cursor
from app.store.day_reader import reading, unless_dropped
from app.store.day_search import Condition

T = TypeVar("T")

#: Seqs of one window: some 30 ms of reading, with payloads of a usual size and without.
_WINDOW: Final = 65_536
_PAYLOAD_WINDOW: Final = 4_096


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What is read of each row, and what is made of it."""

    select: str
    make: Callable[[str, tuple[Any, ...]], T]


SUMMARIES: Final = Reading(day_schema.SUMMARIES, day_schema.summary_of_row)
DETAILS: Final = Reading(day_schema.DETAILS, day_schema.detail_of_row)


@dataclass(slots=True)
class Found(Generic[T]):
    """`stopped`: where the time was over; everything before it was looked at."""

    rows: list[T] = field(default_factory=list)
    count: int = 0
    stopped: Place | None = None


def older(
    files: Sequence[Path],
    wanted: Condition,
    place: Place,
    limit: int,
    time_limit_s: float,
    what: Reading[T],
) -> Found[T]:
    """At most `limit` rows before `place`, the newest first. `files`: newest first.

    Raises: sqlite3.Error.
    """
    found, deadline = Found[T](), time.monotonic() + time_limit_s
    for path in files:
        day = path.stem
        if day <= place.day:
            high = place.seq - 1 if day == place.day else NEWEST
            with unless_dropped(path):
                for connection, window in _windows(path, wanted, 0, high, newest_first=True):
                    if time.monotonic() > deadline:
                        found.stopped = Place(day, window[1] + 1)
                        return found
                    left = limit - len(found.rows)
                    found.rows += _select(connection, day, wanted, window, left, "DESC", what)
                    if len(found.rows) >= limit:
                        return found
    return found


def newer(
    files: Sequence[Path], wanted: Condition, place: Place, limit: int, time_limit_s: float
) -> Found[RequestSummary]:
    """At most `limit` rows after `place`, the oldest first. `files`: newest first."""
    found, deadline = Found[RequestSummary](), time.monotonic() + time_limit_s
    for path in reversed(files):
        day = path.stem
        if day >= place.day:
            low = place.seq + 1 if day == place.day else 0
            with unless_dropped(path):
                for connection, window in _windows(path, wanted, low, NEWEST, newest_first=False):
                    if time.monotonic() > deadline:
                        found.stopped = Place(day, window[0] - 1)
                        return found
                    left = limit - len(found.rows)
                    found.rows += _select(connection, day, wanted, window, left, "ASC", SUMMARIES)
                    if len(found.rows) >= limit:
                        return found
    return found


def count(
    files: Sequence[Path], wanted: Condition, most: int, time_limit_s: float
) -> Found[RequestSummary]:
    """How many rows there are, counted no further than to `most`. `files`: newest first."""
    found, deadline = Found[RequestSummary](), time.monotonic() + time_limit_s
    for path in files:
        with unless_dropped(path):
            for connection, window in _windows(path, wanted, 0, NEWEST, newest_first=True):
                if time.monotonic() > deadline:
                    found.stopped = Place(path.stem, window[1] + 1)
                    return found
                sql = (
                    f"SELECT count(*) FROM (SELECT 1 FROM requests WHERE seq BETWEEN ? AND ? "
                    f"AND {wanted.sql} LIMIT ?)"
                )
                values = (*window, *wanted.values, most - found.count)
                found.count += connection.execute(sql, values).fetchone()[0]
                if found.count >= most:
                    return found
    return found


def older_page(found: Found[RequestSummary], limit: int) -> Page[RequestSummary]:
    """The page of what `older` found when asked for one more than `limit`."""
    rows = tuple(found.rows[:limit])
    more = rows[-1].id if len(found.rows) > limit else cursor(found.stopped)
    return Page(rows, more, rows[0].id if rows else None, found.stopped is not None)


def newer_page(found: Found[RequestSummary], limit: int) -> Page[RequestSummary]:
    """The page of what `newer` found when asked for one more than `limit`."""
    rows = tuple(reversed(found.rows[:limit]))
    more = rows[0].id if len(found.rows) > limit else cursor(found.stopped)
    return Page(rows, rows[-1].id if rows else None, more, found.stopped is not None)


def _windows(
    path: Path, wanted: Condition, low: int, high: int, *, newest_first: bool
) -> Iterator[tuple[sqlite3.Connection, Span]]:
    """What must be read of one file, in pieces; nothing of one that was dropped meanwhile."""
    if not path.exists():
        return
    with reading(path) as connection:
        if connection is None:
            return
        day_search.prepare(connection)
        first, last = connection.execute("SELECT min(seq), max(seq) FROM requests").fetchone()
        if first is None:
            return
        low, high = max(low, first), min(high, last)
        size = _PAYLOAD_WINDOW if wanted.reads_payloads else _WINDOW
        found = spans(path, wanted, low, high)
        for span in found if newest_first else reversed(list(found)):
            for window in _pieces(span, size, newest_first=newest_first):
                yield connection, window


def _pieces(span: Span, size: int, *, newest_first: bool) -> Iterator[Span]:
    low, high = span
    if newest_first:
        for top in range(high, low - 1, -size):
            yield max(low, top - size + 1), top
    else:
        for bottom in range(low, high + 1, size):
            yield bottom, min(high, bottom + size - 1)


def _select(
    connection: sqlite3.Connection,
    day: str,
    wanted: Condition,
    window: Span,
    limit: int,
    order: str,
    what: Reading[T],
) -> list[T]:
    sql = f"{what.select} WHERE seq BETWEEN ? AND ? AND {wanted.sql} ORDER BY seq {order} LIMIT ?"
    rows = connection.execute(sql, (*window, *wanted.values, limit))
    return [what.make(day, row) for row in rows]
