"""What a store of requests does, whatever keeps the rows. `day_files.py` is one.

A request is known by (server, run_id, request_id). Its row has `seq`, which rises over the whole
log, and the `node_id` and `stream_id` that make `seq` unique among many machines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from app.domain import Count, DamagedFile, HeldDay, Page, RequestDetail, RequestSummary, StoreStats
from app.log_facts import Gap
from app.search.terms import Filter
from sockcore.events import RequestFinished, RequestProgressed

RequestEvent = RequestProgressed | RequestFinished
RequestKey = tuple[str, str, int]

#: Lets every request through.
EVERYTHING: Final = Filter()


@dataclass(frozen=True, slots=True)
class Chosen:
    """Requests that are to be deleted: those that the filter lets through, up to the place `upto`
    and its seq, that were over at `now_us`, from when on relative times count back too. None that
    comes, or ends, after that is among them."""

    filter: Filter
    upto: str
    now_us: int


@dataclass(frozen=True, slots=True)
class Tally:
    """A part of what is chosen: how many requests, of which servers, and when the first and the
    last of them started. `next`: before which place to go on, None at the end."""

    rows: int
    servers: Mapping[str, int]
    oldest_us: int | None
    newest_us: int | None
    next: str | None


@dataclass(frozen=True, slots=True)
class Deleted:
    """What went in one step: so many requests, of those days. `next` as of a Tally."""

    rows: int
    days: tuple[str, ...]
    next: str | None


def key_of(event: RequestEvent) -> RequestKey:
    return (event.server, event.run_id, event.request_id)


class DiskFailed(OSError):
    """The disk below the log failed: what was written is looked at before more is."""


class RequestStore(Protocol):
    """The request log. Thread: one writes; any reads, also while that one writes."""

    def append(self, batch: Sequence[RequestEvent]) -> Sequence[RequestSummary]:
        """Commit `batch`: a row for each request new to the log, an update for each open one.

        Of one request's events in a batch the last counts, and RequestFinished before all. A
        RequestProgressed in a batch after its RequestFinished's must not be given: it would
        open a row that nobody completes. An event without payload bytes leaves those stored.

        Returns: the rows as committed, by `seq`, each once; a summary costs when it is looked at.
        Raises: whatever the database does, DiskFailed if it is for the disk below it. Some rows
            may be committed by then: give the same batch again until it succeeds, and each still
            comes out once.
        Thread: the one that writes.
        """
        ...

    def note(self, gap: Gap) -> Gap:
        """Commit that something is missing, after all that is in the log. Returns: the gap, with
        its place.

        Raises: as `append` does. Give it again until it succeeds: it is there once.
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
        self,
        filter_: Filter,
        *,
        most: int,
        after: str | None = None,
        upto: str | None = None,
        time_limit_s: float = 0.5,
        now_us: int | None = None,
    ) -> Count:
        """How many rows the filter lets through, counted to `most` and no longer than that.

        Of all rows, or of those newer than the place `after` and no newer than `upto`.
        Raises: Invalid `bad_cursor` if one is no place in the log.
        """
        ...

    def details(
        self, filter_: Filter = EVERYTHING, *, now_us: int | None = None
    ) -> Iterator[RequestDetail | Gap]:
        """Every request that the filter lets through, newest first, in constant memory, and the
        gaps as `query` has them.

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

    def tally(
        self, chosen: Chosen, *, before: str | None = None, time_limit_s: float = 0.2
    ) -> Tally:
        """What is chosen, from the newest on or before a place, as far as the time allows.

        Thread: any.
        """
        ...

    def delete(
        self, chosen: Chosen, *, before: str | None = None, time_limit_s: float = 0.2
    ) -> Deleted:
        """Delete some of what is chosen, the newest first, in one short transaction a day; from
        the indexes too. `give_back` then gives their room to the disk.

        Thread: any. Raises: whatever the database does.
        """
        ...

    def give_back(self, day: str) -> bool:
        """Give some of a day's free room to the disk; a day without a row goes as a whole.

        Returns: whether there may be more to give: call it again.
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
