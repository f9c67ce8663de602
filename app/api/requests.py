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
    gap_shape,
    log_stats_shape,
    request_detail_shape,
    request_shape,
)
from app.deps import By, Requests, needs
from app.search.line import parse
from app.search.terms import Filter
from app.who import Who

router = APIRouter(tags=["requests"])


Line = Annotated[str, Query(description='A search line: `server:clock outcome:error "text"`.')]


@router.get("/requests", operation_id="listRequests", responses=problems(422))
@needs("see")
def list_requests(
    requests: Requests,
    by: By,
    q: Line = "",
    server: str | None = None,
    limit: int = 50,
    before: str | None = None,
    after: str | None = None,
) -> RequestListing:
    """Newest first. Pass `next` of one page as `before` to get the page after it, `newer` as
    `after` for those newer than it. `partial`: it took too long; what is there is right, and the
    cursor goes on from where it stopped. `gaps`: what is missing among them, where the line asks
    for a server or a time at most; none for a token of some servers."""
    page = requests.page(asked(q, server, by), limit=limit, before=before, after=after)
    return RequestListing(
        items=[request_shape(row) for row in page.items],
        next=page.next,
        newer=page.newer,
        partial=page.partial,
        gaps=[gap_shape(gap) for gap in page.gaps],
    )


@router.get("/requests/count", operation_id="countRequests", responses=problems(422))
@needs("see")
def count_requests(
    requests: Requests, by: By, q: Line = "", server: str | None = None
) -> CountShape:
    """How many there are: no further than 10,000 and half a second; then `exact` is false."""
    count = requests.count(asked(q, server, by))
    return CountShape(rows=count.rows, exact=count.exact)


def asked(line: str, server: str | None, who: Who) -> Filter:
    """What a line asks for, of one server if there is one, and of those that `who` is to know of.

    Raises: Invalid on field `q`.
    """
    return parse(line).of_server(server).within(who.servers)


@router.get("/requests/{request_id}", operation_id="getRequest", responses=problems(404))
@needs("see")
def get_request(request_id: str, requests: Requests, by: By) -> RequestDetailShape:
    """One request with both payloads and its tape."""
    return request_detail_shape(requests.get(request_id, by))


@router.get("/log/stats", operation_id="getLogStats")
@needs("see_all")
def get_log_stats(requests: Requests) -> LogStatsShape:
    """How the recording fares since the start: received = stored + dropped + pending; and what the
    log holds: every request up to `durable_seq` is on the disk. `failures`: writes that failed."""
    return log_stats_shape(requests.stats(), requests.held())
