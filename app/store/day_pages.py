"""The half of the request log that reads: pages, counts, details, one request.

Knows the folder of the day files and how to walk over them. Knows nothing of who writes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final

from app.domain import Count, Page, RequestDetail, RequestSummary
from app.search.terms import Filter
from app.store import day_reader, day_walk
from app.store.day_folder import DayFolder
from app.store.day_places import END, Place, known_place, place_of
from app.store.day_search import condition
from app.store.requests import EVERYTHING

#: Details that are read at once: with 64 KiB each way, 8 MiB; and seconds that one look for them
#: may take, the longest that a reader stays at a file.
DETAILS_AT_ONCE: Final = 64
DETAILS_S: Final = 1.0


class DayPages:
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
        files = self._folder.files()
        if after is not None:
            place = place_of(after, "after")
            return day_walk.newer_page(
                day_walk.newer(files, wanted, place, limit + 1, time_limit_s), limit
            )
        place = END if before is None else place_of(before, "before")
        found = day_walk.older(files, wanted, place, limit + 1, time_limit_s, day_walk.SUMMARIES)
        return day_walk.older_page(found, limit)

    def details(
        self, filter_: Filter = EVERYTHING, *, now_us: int | None = None
    ) -> Iterator[RequestDetail]:
        """See `RequestStore`. Thread: any, one at a time."""
        wanted = condition(filter_, _now_us() if now_us is None else now_us)
        place: Place | None = END
        while place is not None:
            # A connection for each few rows, so that none holds up the write-ahead log for long.
            found = day_walk.older(
                self._folder.files(), wanted, place, DETAILS_AT_ONCE, DETAILS_S, day_walk.DETAILS
            )
            yield from found.rows
            place = found.stopped
            if place is None and len(found.rows) == DETAILS_AT_ONCE:
                place = known_place(found.rows[-1].summary.id)

    def count(
        self, filter_: Filter, *, most: int, time_limit_s: float = 0.5, now_us: int | None = None
    ) -> Count:
        """See `RequestStore`. Thread: any."""
        wanted = condition(filter_, _now_us() if now_us is None else now_us)
        found = day_walk.count(self._folder.files(), wanted, most + 1, time_limit_s)
        return Count(min(found.count, most), found.count <= most and found.stopped is None)

    def get(self, request_id: str) -> RequestDetail | None:
        """See `RequestStore`. Thread: any."""
        place = known_place(request_id)
        if place is None:
            return None
        path = self._folder.file(place.day)
        if path.exists():
            with day_reader.unless_dropped(path):
                return day_reader.detail(path, place.seq)
        return None


def _now_us() -> int:
    return time.time_ns() // 1000
