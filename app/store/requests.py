"""What a store of requests does, whatever keeps the rows. `day_files.py` is one.

A request is known by (server, run_id, request_id). Its row has `seq`, which rises over the whole
log, and the `node_id` and `stream_id` that make `seq` unique among many machines.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol

from app.domain import Count, DamagedFile, HeldDay, Page, RequestDetail, RequestSummary, StoreStats
from app.search.terms import Filter
from sockcore.events import RequestFinished, RequestProgressed

RequestEvent = RequestProgressed | RequestFinished
RequestKey = tuple[str, str, int]

#: Lets every request through.
EVERYTHING: Final = Filter()


def key_of(event: RequestEvent) -> RequestKey:
    return (event.server, event.run_id, event.request_id)


class RequestStore(Protocol):
    """The request log. Thread: one writes; any reads, also while that one writes."""

    def append(self, batch: Sequence[RequestEvent]) -> list[RequestSummary]:
        """Commit `batch`: a row for each request new to the log, an update for each open one.

        Of one request's events in a batch the last counts, and RequestFinished before all. A
        RequestProgressed in a batch after its RequestFinished's must not be given: it would
        open a row that nobody completes. An event without payload bytes leaves those stored.

        Returns: the rows as committed, by `seq`, each once.
        Raises: whatever the database does. Some rows may be committed by then: give the same
            batch again until it succeeds, and each still comes out once.
        Thread: the one that writes.
        """
        ...

    def mark_lost(self) -> int:
        """Give every row still `open` the outcome `lost`, and say how many there were.

        Call it at start-up, before the first `append`: such rows are of a process that died.
        """
        ...

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
        """At most `limit` rows (at least 1) that the filter lets through, newest first.

        The newest, those just older than the cursor `before`, or those just newer than `after`: at
        most one of the two. `now_us`: what relative times count back from; None: now.
        Raises: Invalid `bad_cursor` if a cursor is no place in the log.
        """
        ...

    def count(
        self, filter_: Filter, *, most: int, time_limit_s: float = 0.5, now_us: int | None = None
    ) -> Count:
        """How many rows the filter lets through, counted to `most` and no longer than that."""
        ...

    def details(
        self, filter_: Filter = EVERYTHING, *, now_us: int | None = None
    ) -> Iterator[RequestDetail]:
        """Every request that the filter lets through, newest first, in constant memory.

        The log goes on meanwhile: what comes is not among them, nor what is dropped.
        """
        ...

    def get(self, request_id: str) -> RequestDetail | None:
        """The request with that id, None if there is none (or it is no id at all)."""
        ...

    def stats(self) -> StoreStats:
        """What the log holds. Thread: any."""
        ...

    def build_index(self) -> int:
        """A bit more of what searches are made quick by. Returns: rows done; 0: all is.

        Thread: one, beside the one that writes.
        """
        ...

    def days(self) -> list[HeldDay]:
        """The days that are there, newest first, each with the bytes it takes. Thread: any."""
        ...

    def rows(self, day: str) -> int:
        """How many requests a day has; 0 if it is not there. Thread: any."""
        ...

    def drop(self, day: str) -> bool:
        """Delete a day with all that is in it. Returns: False if it is not there.

        Of its requests that are still open nothing more is written: `append` passes over them.
        Thread: any. Raises: OSError.
        """
        ...

    def trim(self, day: str, most_bytes: int) -> bool:
        """Delete some of the oldest rows of `day` while it takes more than `most_bytes`, in one
        short transaction, and never its newest row; then give free room to the disk, bit by bit.

        Returns: whether there may be more to do: call it again. Requests that are open in the rows
        that go are treated as by `drop`.
        Thread: any. Raises: whatever the database does.
        """
        ...

    def damaged(self) -> list[DamagedFile]:
        """The files that were found damaged and moved aside, until they are removed. Thread: any.

        Every other method does that by itself, and goes on without them.
        """
        ...

    def acknowledge(self, name: str) -> bool:
        """Note that somebody knows of a damaged file. Returns: False if there is none of that
        name. Thread: any."""
        ...

    def close(self) -> None:
        """Leave everything on disk and let go of it. Thread: the one that writes."""
        ...
