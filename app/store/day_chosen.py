"""What is chosen to be deleted: how many rows that is, of whom and of when, and some of them.

Knows how to walk over day files. Knows nothing of who writes.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

from app.store import day_search, day_walk
from app.store.day_index import Span
from app.store.day_places import START, Place, cursor, place_of
from app.store.day_search import Condition
from app.store.requests import Chosen, Tally

#: Rows, and bytes of payloads, that are deleted at once at most; a row at least.
MOST_ROWS: Final = 512
MOST_BYTES: Final = 4 * 1024 * 1024


class _Sized(NamedTuple):
    place: Place
    bytes: int


def _sized(day: str, row: tuple[Any, ...]) -> _Sized:
    return _Sized(Place(day, row[0]), row[1])


_SIZED: Final = day_walk.Reading(
    "SELECT seq, length(in_prefix) + length(chunks) + length(out_prefix) FROM requests", _sized
)


def tally(files: Sequence[Path], chosen: Chosen, place: Place, time_limit_s: float) -> Tally:
    """What is chosen before `place`. `files`: newest first. Raises: sqlite3.Error."""
    wanted = _condition(chosen)
    servers: Counter[str] = Counter()
    bounds: list[int] = []
    # The plus keeps the index of servers out of it, which would be read from end to end.
    sql = (
        "SELECT server, count(*), min(started_us), max(started_us) FROM requests "
        f"WHERE seq BETWEEN ? AND ? AND {wanted.sql} GROUP BY +server"
    )

    def read(connection: sqlite3.Connection, _day: str, window: Span) -> bool:
        for server, rows, first, last in connection.execute(sql, (*window, *wanted.values)):
            servers[server] += rows
            bounds.extend((first, last))
        return False

    ranges = day_walk.between(files, START, _last(chosen, place))
    stopped = day_walk.walk(ranges, wanted, time_limit_s, read)
    oldest, newest = min(bounds, default=None), max(bounds, default=None)
    return Tally(servers.total(), dict(servers), oldest, newest, cursor(stopped))


def some(
    files: Sequence[Path], chosen: Chosen, place: Place, time_limit_s: float
) -> tuple[dict[str, list[int]], Place | None]:
    """The newest of what is chosen before `place`: seqs by day, so many as may go at once; and
    where to go on, None if that is all. `files`: newest first. Raises: sqlite3.Error."""
    last = _last(chosen, place)
    start = Place(last.day, last.seq + 1)
    found = day_walk.older(files, _condition(chosen), start, MOST_ROWS, time_limit_s, _SIZED)
    taken: list[_Sized] = []
    left = MOST_BYTES
    for row in found.rows:
        if left > 0:
            taken.append(row)
            left -= row.bytes
    seqs: defaultdict[str, list[int]] = defaultdict(list)
    for row in taken:
        seqs[row.place.day].append(row.place.seq)
    is_cut = len(taken) < len(found.rows) or len(taken) == MOST_ROWS
    return seqs, taken[-1].place if is_cut else found.stopped


def _last(chosen: Chosen, before: Place) -> Place:
    """The newest place that may be chosen of those before one."""
    return min(place_of(chosen.upto, "upto"), Place(before.day, before.seq - 1))


def _condition(chosen: Chosen) -> Condition:
    """What was open then is over later than that, so that it is not chosen either; nor is what
    comes, though it may be of an older day than the newest: its seq is greater."""
    wanted = day_search.condition(chosen.filter, chosen.now_us)
    known = "outcome <> 'open' AND started_us + duration_us <= ? AND seq <= ?"
    values = (*wanted.values, chosen.now_us, place_of(chosen.upto, "upto").seq)
    return replace(wanted, sql=f"{wanted.sql} AND {known}", values=values)
