"""The request log: pages of it, one request of it, and how the recording of it fares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from app.domain import (
    Count,
    DamagedFile,
    LogStats,
    Page,
    RequestDetail,
    RequestSummary,
    StoreStats,
)
from app.errors import FieldError, Invalid, NotFound
from app.search.terms import Filter
from app.store.requests import EVERYTHING, RequestStore

#: Rows of one page: what a browser shows without effort.
MOST_ROWS: Final = 500

#: Rows are counted no further than this, and said to be more.
MOST_COUNTED: Final = 10_000


class RequestLog:
    """Reads what the recorder wrote. Thread: any."""

    def __init__(self, store: RequestStore, stats: Callable[[], LogStats]) -> None:
        self._store = store
        self._stats = stats

    def page(
        self,
        filter_: Filter = EVERYTHING,
        *,
        limit: int = 50,
        before: str | None = None,
        after: str | None = None,
    ) -> Page[RequestSummary]:
        """At most `limit` requests that the filter lets through, newest first: the newest, those
        older than the cursor `before`, or those newer than `after`.

        Raises: Invalid for a limit or a cursor that is none, or for two cursors.
        """
        if not 1 <= limit <= MOST_ROWS:
            raise Invalid(
                FieldError("limit_range", f"limit must be from 1 to {MOST_ROWS}.", "limit")
            )
        if before is not None and after is not None:
            detail = "A page is before a cursor or after one: leave out `before` or `after`."
            raise Invalid(FieldError("two_cursors", detail, "after"))
        return self._store.query(filter_, limit=limit, before=before, after=after)

    def count(self, filter_: Filter = EVERYTHING) -> Count:
        """How many requests the filter lets through, to `MOST_COUNTED`."""
        return self._store.count(filter_, most=MOST_COUNTED)

    def get(self, request_id: str) -> RequestDetail:
        """One request with its payloads and its tape. Raises: NotFound."""
        found = self._store.get(request_id)
        if found is None:
            raise NotFound("request_not_found", f"There is no request {request_id!r} in the log.")
        return found

    def stats(self) -> LogStats:
        """How the recording fares since the start of this process."""
        return self._stats()

    def held(self) -> StoreStats:
        """What the log holds."""
        return self._store.stats()

    def damaged(self) -> list[DamagedFile]:
        """The files that were found damaged and moved aside, until they are removed."""
        return self._store.damaged()

    def acknowledge(self, name: str) -> None:
        """Ring no more for a damaged file. Raises: NotFound `damaged_file_not_found`."""
        if not self._store.acknowledge(name):
            detail = f"There is no damaged file {name!r} any more."
            raise NotFound("damaged_file_not_found", detail)

    def details(self, filter_: Filter = EVERYTHING) -> Iterator[RequestDetail]:
        """Every request that the filter lets through, newest first, in constant memory."""
        return self._store.details(filter_)
