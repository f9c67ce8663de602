"""What a peer and a server said to each other over many requests: their tapes, in order of time.

Knows services and tapes. Knows nothing of HTTP.
"""

from __future__ import annotations

from dataclasses import dataclass

from app.deps import Services
from app.domain import RequestSummary
from app.errors import NotFound
from app.services.requests import just_after
from app.web.log_pages import of_peer
from app.web.tape import Tape, tape

#: Requests of one page, and lines that are shown of each: light for a browser.
PAGE_REQUESTS = 20
LINES_EACH = 100


@dataclass(frozen=True, slots=True)
class Part:
    """One request with the beginning of its tape."""

    row: RequestSummary
    tape: Tape


def conversation_context(
    services: Services, request_id: str, before: str | None, after: str | None
) -> dict[str, object]:
    """For conversation.html: the page that ends with the request, or one before or after a place.

    Raises: NotFound.
    """
    row = services.requests.get(request_id).summary
    search = of_peer(row)
    if not after:
        before = before or just_after(row.id)
    page = services.requests.page(
        search.filter, limit=PAGE_REQUESTS, before=before or None, after=after or None
    )
    parts = [part for each in page.items if (part := _part(services, each.id))]
    # Their places are in the order in which they were stored: of a long one that is early.
    parts.sort(key=lambda part: part.row.started_us)
    return {
        "row": row,
        "search": search,
        "peer": row.peer.rpartition(":")[0] or row.peer,
        "log_page": page,
        "parts": parts,
    }


def _part(services: Services, request_id: str) -> Part | None:
    """None of a request that was deleted meanwhile."""
    try:
        detail = services.requests.get(request_id)
    except NotFound:
        return None
    return Part(detail.summary, tape(detail, LINES_EACH))
