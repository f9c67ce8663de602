"""What a store of requests does, whatever keeps the rows. `day_files.py` is one.

A request is known by (server, run_id, request_id). Its row has `seq`, which rises over the whole
log, and the `node_id` and `stream_id` that make `seq` unique among many machines.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.domain import Page, RequestDetail, RequestSummary
from sockcore.events import RequestFinished, RequestProgressed

RequestEvent = RequestProgressed | RequestFinished
RequestKey = tuple[str, str, int]


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

    def page(
        self, *, server: str | None = None, limit: int, before: str | None = None
    ) -> Page[RequestSummary]:
        """At most `limit` rows (at least 1), newest first, older than the cursor `before`.

        Raises: Invalid `bad_cursor` if `before` is not an id of the log.
        """
        ...

    def get(self, request_id: str) -> RequestDetail | None:
        """The request with that id, None if there is none (or it is no id at all)."""
        ...

    def close(self) -> None:
        """Leave everything on disk and let go of it. Thread: the one that writes."""
        ...
