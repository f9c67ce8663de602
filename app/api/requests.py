"""REST: the request log."""

from __future__ import annotations

from fastapi import APIRouter

from app.api.problems import problems
from app.api.request_shapes import (
    LogStatsShape,
    RequestDetailShape,
    RequestShape,
    log_stats_shape,
    request_detail_shape,
    request_shape,
)
from app.api.shapes import Listing
from app.deps import Requests

router = APIRouter(tags=["requests"])


@router.get("/requests", operation_id="listRequests", responses=problems(422))
def list_requests(
    requests: Requests, server: str | None = None, limit: int = 50, before: str | None = None
) -> Listing[RequestShape]:
    """Newest first. Pass `next` of one page as `before` to get the page after it."""
    # An empty name, as a form sends it, means every server.
    page = requests.page(server=server or None, limit=limit, before=before)
    return Listing(items=[request_shape(row) for row in page.items], next=page.next)


@router.get("/requests/{request_id}", operation_id="getRequest", responses=problems(404))
def get_request(request_id: str, requests: Requests) -> RequestDetailShape:
    """One request with both payloads and its tape."""
    return request_detail_shape(requests.get(request_id))


@router.get("/log/stats", operation_id="getLogStats")
def get_log_stats(requests: Requests) -> LogStatsShape:
    """How the recording fares: received = stored + dropped + pending."""
    return log_stats_shape(requests.stats())
