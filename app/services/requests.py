"""The request log: pages of it, one request of it, and how the recording of it fares."""

from __future__ import annotations

from collections.abc import Callable

from app.domain import LogStats, Page, RequestDetail, RequestSummary
from app.errors import FieldError, Invalid, NotFound
from app.store.requests import RequestStore

#: Rows of one page: what a browser shows without effort.
MOST_ROWS = 500


class RequestLog:
    """Reads what the recorder wrote. Thread: any."""

    def __init__(self, store: RequestStore, stats: Callable[[], LogStats]) -> None:
        self._store = store
        self._stats = stats

    def page(
        self, *, server: str | None = None, limit: int = 50, before: str | None = None
    ) -> Page[RequestSummary]:
        """The newest requests older than the cursor `before`, at most `limit`.

        Raises: Invalid for a limit or a cursor that is none.
        """
        if not 1 <= limit <= MOST_ROWS:
            raise Invalid(
                FieldError("limit_range", f"limit must be from 1 to {MOST_ROWS}.", "limit")
            )
        return self._store.page(server=server, limit=limit, before=before)

    def get(self, request_id: str) -> RequestDetail:
        """One request with its payloads and its tape. Raises: NotFound."""
        found = self._store.get(request_id)
        if found is None:
            raise NotFound("request_not_found", f"There is no request {request_id!r} in the log.")
        return found

    def stats(self) -> LogStats:
        """How the recording fares since the start of this process."""
        return self._stats()
