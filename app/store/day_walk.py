"""Walks over day files from a place in the log on, for pages and counts, within a time limit.

Rows are read in windows of seqs, so that a walk that runs out of time can say how far it came.
Of a file that is dropped amid it a walk has what it read before.
Knows nothing of who writes.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from app.domain import Page, RequestDetail, RequestSummary
from app.store import day_schema, day_search
from app.store.day_index import Span, spans
from app.store.day_places import NEWEST, Place, cursor
from app.store.day_reader import reading, unless_dropped
from app.store.day_search import Condition

T = TypeVar("T")

#: Seqs of one window: some 30 ms of reading, with payloads of a usual size and without.
_WINDOW: Final = 65_536
_PAYLOAD_WINDOW: Final = 4_096

#: Each by itself is looked up; asked for together, SQLite reads all rows for them.
_BOUNDS: Final = "SELECT (SELECT min(seq) FROM requests), (SELECT max(seq) FROM requests)"


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """What is read of each row, and what is made of it."""

    select: str
    make: Callable[[str, tuple[Any, ...]], T]
    weight: Callable[[T], int] | None = None  # bytes, where they differ by much


def _kept_bytes(detail: RequestDetail) -> int:
    return len(detail.received.prefix) + len(detail.sent.prefix)


SUMMARIES: Final = Reading(day_schema.SUMMARIES, day_schema.summary_of_row)
DETAILS: Final = Reading(day_schema.DETAILS, day_schema.detail_of_row, _kept_bytes)

#: Bytes of rows with which a walk is done, whatever their number: one row may have 32 MiB.
_MOST_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """`stopped`: where the time was over; everything before it was looked at. `full`: there was
    enough, so more may follow after the last row."""

    rows: list[T]
    stopped: Place | None
    full: bool


#: Files, in the order of the walk, each with what of it is meant.
Ranges = Iterable[tuple[Path, Span]]

#: Reads one window of the file of a day. Returns: whether that is enough.
Read = Callable[[sqlite3.Connection, str, Span], bool]


def older(
    files: Sequence[Path],
    wanted: Condition,
    place: Place,
    limit: int,
    time_limit_s: float,
    what: Reading[T],
) -> Found[T]:
    """At most `limit` rows before `place`, the newest first; fewer, where they are large.

    `files`: newest first.

    Raises: sqlite3.Error.
    """
    ranges = (
        (path, (0, place.seq - 1 if path.stem == place.day else NEWEST))
        for path in files
        if path.stem <= place.day
    )
    return _found(ranges, wanted, limit, time_limit_s, what)


def newer(
    files: Sequence[Path], wanted: Condition, place: Place, limit: int, time_limit_s: float
) -> Found[RequestSummary]:
    """At most `limit` rows after `place`, the oldest first. `files`: newest first."""
    ranges = (
        (path, (place.seq + 1 if path.stem == place.day else 0, NEWEST))
        for path in reversed(files)
        if path.stem >= place.day
    )
    return _found(ranges, wanted, limit, time_limit_s, SUMMARIES, newest_first=False)


def count(
    files: Sequence[Path],
    wanted: Condition,
    low: Place,
    high: Place,
    most: int,
    time_limit_s: float,
) -> tuple[int, bool]:
    """How many rows are newer than `low` and no newer than `high`, counted no further than to
    `most`; and whether the time was enough for that. `files`: newest first."""
    counted = 0
    sql = (
        "SELECT count(*) FROM (SELECT 1 FROM requests WHERE seq BETWEEN ? AND ? "
        f"AND {wanted.sql} LIMIT ?)"
    )

    def read(connection: sqlite3.Connection, _day: str, window: Span) -> bool:
        nonlocal counted
        values = (*window, *wanted.values, most - counted)
        counted += int(connection.execute(sql, values).fetchone()[0])
        return counted >= most

    stopped = walk(between(files, low, high), wanted, time_limit_s, read)
    return counted, stopped is None


def between(files: Sequence[Path], low: Place, high: Place) -> Ranges:
    """What is newer than `low` and no newer than `high`."""
    for path in files:
        if low.day <= path.stem <= high.day:
            first = low.seq + 1 if path.stem == low.day else 0
            yield path, (first, high.seq if path.stem == high.day else NEWEST)


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


def _found(
    ranges: Ranges,
    wanted: Condition,
    limit: int,
    time_limit_s: float,
    what: Reading[T],
    *,
    newest_first: bool = True,
) -> Found[T]:
    rows: list[T] = []
    weight, full = 0, False
    order = "DESC" if newest_first else "ASC"

    def read(connection: sqlite3.Connection, day: str, window: Span) -> bool:
        nonlocal weight, full
        left = limit - len(rows)
        for row in _select(connection, day, wanted, window, left, order, what):
            rows.append(row)
            weight += what.weight(row) if what.weight else 0
            if weight >= _MOST_BYTES:
                break
        full = weight >= _MOST_BYTES or len(rows) >= limit
        return full

    stopped = walk(ranges, wanted, time_limit_s, read, newest_first=newest_first)
    return Found(rows, stopped, full)


def walk(
    ranges: Ranges,
    wanted: Condition,
    time_limit_s: float,
    read: Read,
    *,
    newest_first: bool = True,
) -> Place | None:
    """Have what must be read of the files read, until it is enough. Returns: where the time was
    over, None if it was not."""
    deadline = time.monotonic() + time_limit_s
    for path, span in ranges:
        with unless_dropped(path):
            for connection, window in _windows(path, wanted, *span, newest_first=newest_first):
                if time.monotonic() > deadline:
                    return Place(path.stem, window[1] + 1 if newest_first else window[0] - 1)
                if read(connection, path.stem, window):
                    return None
    return None


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
        first, last = connection.execute(_BOUNDS).fetchone()
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
) -> Iterator[T]:
    sql = f"{what.select} WHERE seq BETWEEN ? AND ? AND {wanted.sql} ORDER BY seq {order} LIMIT ?"
    rows = connection.execute(sql, (*window, *wanted.values, limit))
    return (what.make(day, row) for row in rows)
