"""The request log: pages of it, one request of it, and how the recording of it fares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from app.domain import (
    Count,
    DamagedFile,
    Page,
    RequestDetail,
    RequestSummary,
    StoreStats,
)
from app.errors import FieldError, Invalid, NotFound
from app.log_facts import Gap, LogStats, place_key
from app.search.terms import Filter
from app.store.requests import EVERYTHING, RequestStore
from app.who import SOCKPIT, Act, Who

#: Rows of one page: what a browser shows without effort.
MOST_ROWS: Final = 500

#: Rows are counted no further than this, and said to be more.
MOST_COUNTED: Final = 10_000


#: The place before every request: where an empty log ends.
NOWHERE: Final = "00000000-0"


def just_after(place: str) -> str:
    """The cursor whose `before` is all up to `place`, with the request that is there."""
    day, seq = place_key(place)
    return f"{day}-{seq + 1}"


def newest_of(store: RequestStore) -> str:
    """The place of the newest request in `store`."""
    found = store.query(limit=1).items
    return found[0].id if found else NOWHERE


class RequestLog:
    """Reads what the recorder wrote. Thread: any."""

    def __init__(
        self,
        store: RequestStore,
        stats: Callable[[], LogStats],
        note: Callable[[Act], None],
    ) -> None:
        """`note` keeps an act."""
        self._store = store
        self._stats = stats
        self._note = note

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

    def count(
        self, filter_: Filter = EVERYTHING, *, after: str | None = None, upto: str | None = None
    ) -> Count:
        """How many requests the filter lets through, to `MOST_COUNTED`: of all, or of those newer
        than the place `after` and no newer than `upto`."""
        return self._store.count(filter_, most=MOST_COUNTED, after=after, upto=upto)

    def bounds(self) -> tuple[str, str]:
        """The places of the oldest and of the newest request in the log."""
        found = self._store.query(limit=1, after=NOWHERE).items
        return found[0].id if found else NOWHERE, self.newest()

    def newest(self) -> str:
        """The place of the newest request in the log."""
        return newest_of(self._store)

    def get(self, request_id: str, who: Who = SOCKPIT) -> RequestDetail:
        """One request with its payloads and its tape. Raises: NotFound, also of a server that
        `who` is not to know of."""
        found = self._store.get(request_id)
        if found is None or not who.sees(found.summary.server):
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

    def acknowledge(self, name: str, by: Who) -> None:
        """Ring no more for a damaged file. Raises: NotFound `damaged_file_not_found`."""
        if not self._store.acknowledge(name):
            detail = f"There is no damaged file {name!r} any more."
            raise NotFound("damaged_file_not_found", detail)
        self._note(Act(by=by, what="log.acknowledge_damage", target=name))

    def details(self, filter_: Filter = EVERYTHING) -> Iterator[RequestDetail | Gap]:
        """Every request that the filter lets through, newest first, in constant memory; and the
        gaps among them."""
        return self._store.details(filter_)
