"""The half of the request log that reads: pages, counts, details, one request, the days.

Knows the folder of the day files and how to walk over them. Knows nothing of who writes.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, TypeVar

from app.domain import Count, HeldDay, Page, RequestDetail, RequestSummary
from app.log_facts import Gap, interleaved
from app.search.terms import Filter
from app.store import day_chosen, day_gaps, day_reader, day_walk
from app.store.day_damage import DamagedDay
from app.store.day_folder import DayFolder, size
from app.store.day_index import index_path
from app.store.day_places import END, START, Place, known_place, place_of
from app.store.day_search import Condition, condition
from app.store.requests import EVERYTHING, Chosen, Tally

#: Details that are read at once, fewer where they are large; and seconds that one look for them
#: may take, the longest that a reader stays at a file.
DETAILS_AT_ONCE: Final = 64
DETAILS_S: Final = 1.0


P = ParamSpec("P")
T = TypeVar("T")


class DayPages(ABC):
    """What `RequestStore` says of reading. Thread: any."""

    def __init__(self, folder: DayFolder) -> None:
        self._folder = folder

    def query(
        self,
        filter_: Filter = EVERYTHING,
        *,
        limit: int,
        before: str | None = None,
        after: str | None = None,
        time_limit_s: float = 1.0,
        now_us: int | None = None,
    ) -> Page[RequestSummary]:
        """See `RequestStore`. Thread: any."""
        wanted = condition(filter_, _now_us() if now_us is None else now_us)
        if after is not None:
            place = place_of(after, "after")
            newer = self._mended(day_walk.newer, wanted, place, limit + 1, time_limit_s)
            page = day_walk.newer_page(newer, limit)
            last = known_place(page.newer or "")
            return self._with_gaps(page, filter_, wanted, place.next(), last and last.next())
        place = END if before is None else place_of(before, "before")
        what = day_walk.SUMMARIES
        found = self._mended(day_walk.older, wanted, place, limit + 1, time_limit_s, what)
        page = day_walk.older_page(found, limit)
        return self._with_gaps(page, filter_, wanted, known_place(page.next or ""), place)

    def _with_gaps(
        self,
        page: Page[RequestSummary],
        filter_: Filter,
        wanted: Condition,
        low: Place | None,
        high: Place | None,
    ) -> Page[RequestSummary]:
        """`low`, `high`: where the page begins and ends; None: with the log."""
        return replace(page, gaps=tuple(self._gaps(filter_, wanted, low or START, high or END)))

    def _gaps(self, filter_: Filter, wanted: Condition, low: Place, high: Place) -> list[Gap]:
        if not filter_.shows_gaps:
            return []
        return self._mended(day_gaps.between, low, high, wanted)

    def details(
        self, filter_: Filter = EVERYTHING, *, now_us: int | None = None
    ) -> Iterator[RequestDetail | Gap]:
        """See `RequestStore`. Thread: any, one at a time."""
        wanted = condition(filter_, _now_us() if now_us is None else now_us)
        rows = ((row.summary.id, row) for row in self._details(wanted))
        return interleaved(rows, self._all_gaps(filter_, wanted))

    def _details(self, wanted: Condition) -> Iterator[RequestDetail]:
        place: Place | None = END
        while place is not None:
            # A connection for each few rows, so that none holds up the write-ahead log for long.
            found = self._mended(
                day_walk.older, wanted, place, DETAILS_AT_ONCE, DETAILS_S, day_walk.DETAILS
            )
            yield from found.rows
            place = found.stopped
            if found.full:
                place = known_place(found.rows[-1].summary.id)

    def _all_gaps(self, filter_: Filter, wanted: Condition) -> Iterator[Gap]:
        high: Place | None = END
        told: set[Gap] = set()  # of the last place: the rest of it may come next
        while high is not None:
            read = self._gaps(filter_, wanted, START, high)
            fresh = [gap for gap in read if gap not in told]
            yield from fresh
            if not fresh or len(read) < day_gaps.MOST:
                return
            told = {gap for gap in read if gap.after == read[-1].after}
            last = known_place(read[-1].after)
            high = last and last.next()

    def count(
        self,
        filter_: Filter,
        *,
        most: int,
        after: str | None = None,
        upto: str | None = None,
        time_limit_s: float = 0.5,
        now_us: int | None = None,
    ) -> Count:
        """See `RequestStore`. Thread: any."""
        wanted = condition(filter_, _now_us() if now_us is None else now_us)
        low = START if after is None else place_of(after, "after")
        high = END if upto is None else place_of(upto, "upto")
        counted, whole = self._mended(day_walk.count, wanted, low, high, most + 1, time_limit_s)
        return Count(min(counted, most), whole and counted <= most)

    def tally(
        self, chosen: Chosen, *, before: str | None = None, time_limit_s: float = 0.2
    ) -> Tally:
        """See `RequestStore`. Thread: any."""
        place = END if before is None else place_of(before, "before")
        return self._mended(day_chosen.tally, chosen, place, time_limit_s)

    def get(self, request_id: str) -> RequestDetail | None:
        """See `RequestStore`. Thread: any."""
        place = known_place(request_id)
        if place is None:
            return None
        return self._mended(_detail, place)

    def days(self) -> list[HeldDay]:
        """See `RequestStore`."""
        return self._mended(_held)

    def rows(self, day: str) -> int:
        """See `RequestStore`."""
        return self._mended(_rows, day)

    def _mended(
        self, read: Callable[Concatenate[Sequence[Path], P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """What `read` makes of the files, without those that it finds damaged."""
        while True:
            try:
                return read(self._folder.files(), *args, **kwargs)
            except DamagedDay as damaged:
                self._set_aside(damaged)

    @abstractmethod
    def _set_aside(self, damaged: DamagedDay) -> None:
        """Take that file out of the folder, if it is still the one that was found damaged."""


def _detail(files: Sequence[Path], place: Place) -> RequestDetail | None:
    for path in files:
        if path.stem == place.day:
            with day_reader.unless_dropped(path):
                return day_reader.detail(path, place.seq)
    return None


def _held(files: Sequence[Path]) -> list[HeldDay]:
    held: list[HeldDay] = []
    for path in files:
        with day_reader.unless_dropped(path), day_reader.reading(path) as connection:
            used = 0 if connection is None else day_reader.used_bytes(connection)
            held.append(HeldDay(path.stem, used + size(index_path(path))))
    return held


def _rows(files: Sequence[Path], day: str) -> int:
    for path in files:
        if path.stem == day:
            with day_reader.unless_dropped(path):
                return day_reader.count_rows(path)
    return 0


def _now_us() -> int:
    return time.time_ns() // 1000
