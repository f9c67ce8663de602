"""REST: the request log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.problems import problems
from app.api.request_shapes import (
    CountShape,
    LogStatsShape,
    RequestDetailShape,
    RequestListing,
    log_stats_shape,
    request_detail_shape,
    request_shape,
)
from app.deps import Requests
from app.search.line import parse
from app.search.terms import Filter

router = APIRouter(tags=["requests"])


Line = Annotated[str, Query(description='A search line: `server:clock outcome:error "text"`.')]


@router.get("/requests", operation_id="listRequests", responses=problems(422))
def list_requests(
    requests: Requests,
    q: Line = "",
    server: str | None = None,
    limit: int = 50,
    before: str | None = None,
    after: str | None = None,
) -> RequestListing:
    """Newest first. Pass `next` of one page as `before` to get the page after it, `newer` as
    `after` for those newer than it. `partial`: it took too long; what is there is right, and the
    cursor goes on from where it stopped."""
    page = requests.page(asked(q, server), limit=limit, before=before, after=after)
    items = [request_shape(row) for row in page.items]
    return RequestListing(items=items, next=page.next, newer=page.newer, partial=page.partial)


@router.get("/requests/count", operation_id="countRequests", responses=problems(422))
def count_requests(requests: Requests, q: Line = "", server: str | None = None) -> CountShape:
    """How many there are: no further than 10,000 and half a second; then `exact` is false."""
    count = requests.count(asked(q, server))
    return CountShape(rows=count.rows, exact=count.exact)


def asked(line: str, server: str | None) -> Filter:
    """What a line asks for, of one server if there is one. Raises: Invalid on field `q`."""
    return parse(line).of_server(server)


@router.get("/requests/{request_id}", operation_id="getRequest", responses=problems(404))
def get_request(request_id: str, requests: Requests) -> RequestDetailShape:
    """One request with both payloads and its tape."""
    return request_detail_shape(requests.get(request_id))


@router.get("/log/stats", operation_id="getLogStats")
def get_log_stats(requests: Requests) -> LogStatsShape:
    """How the recording fares since the start: received = stored + dropped + pending; and what the
    log holds: every request up to `durable_seq` is on the disk."""
    return log_stats_shape(requests.stats(), requests.held())
