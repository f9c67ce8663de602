"""The live pages: one stream of HTML each, at most four messages a second.

Every message is a handful of `<hx-partial>`s. The first one holds all live regions, so that what
happened between the page and its stream is not lost; nor is what happened while a tab slept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

import anyio
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.deps import Services, services
from app.domain import RequestSummary
from app.errors import NotFound
from app.search.line import parse
from app.services.live import Batch, Subscription
from app.web.log_pages import Search, asked
from app.web.screens import (
    RequestScreen,
    RequestsScreen,
    Screen,
    Sent,
    ServerScreen,
    ServersScreen,
)
from app.web.view import partial, render

router = APIRouter()

#: Seconds that a burst is gathered for: at most four updates a second.
PAUSE_S = 0.25

#: The name of the last event of a page whose server was deleted.
GONE = "gone"

All = Annotated[Services, Depends(services)]


def _existing(name: str, found: All) -> str:
    """Raises: NotFound, while an answer can still say so."""
    return found.servers.get(name).spec.name


@router.get("/live/servers", response_class=EventSourceResponse)
async def live_servers(found: All) -> AsyncIterator[ServerSentEvent]:
    async for event in _watch(found, None, ServersScreen(found)):
        yield event


@router.get("/live/servers/{name}", response_class=EventSourceResponse)
async def live_server(
    name: Annotated[str, Depends(_existing)], found: All
) -> AsyncIterator[ServerSentEvent]:
    async for event in _watch(found, name, ServerScreen(found, name)):
        yield event


def _sought(
    q: Annotated[str, Query()] = "", server: Annotated[str | None, Query()] = None
) -> Search:
    """Raises: Invalid for a line that cannot be understood."""
    return asked(parse(q).of_server(server))


@router.get("/live/requests", response_class=EventSourceResponse)
async def live_requests(
    found: All, sought: Annotated[Search, Depends(_sought)]
) -> AsyncIterator[ServerSentEvent]:
    async for event in _watch(found, sought.one_server, RequestsScreen(found, sought)):
        yield event


def _logged(request_id: str, found: All) -> RequestSummary:
    """Raises: NotFound."""
    return found.requests.get(request_id).summary


@router.get("/live/requests/{request_id}", response_class=EventSourceResponse)
async def live_request(
    row: Annotated[RequestSummary, Depends(_logged)], found: All
) -> AsyncIterator[ServerSentEvent]:
    async for event in _watch(found, row.server, RequestScreen(found, row.id)):
        yield event


async def _watch(
    found: Services, server: str | None, screen: Screen
) -> AsyncIterator[ServerSentEvent]:
    """Ends when the feed closes, when the client goes, or when what is watched is gone."""
    sent = Sent()
    with found.feed.subscribe(server) as subscription:
        batch: Batch | None = None
        try:
            while True:
                html = await run_sync(_changed, sent, screen, batch)
                if html:
                    yield ServerSentEvent(raw_data=html)
                batch = await _next(subscription, screen.tick_s)
                if batch is None:
                    return
        except NotFound as gone:
            notice = render("_gone.html", text=gone.detail)
            yield ServerSentEvent(raw_data=partial("live-region", notice, "innerHTML"))
            yield ServerSentEvent(event=GONE, raw_data="")


def _changed(sent: Sent, screen: Screen, batch: Batch | None) -> str:
    return sent.changed(screen.regions(batch))


async def _next(subscription: Subscription, tick_s: float | None) -> Batch | None:
    """The next batch; an empty one when nothing came for `tick_s`; None when the feed closed."""
    with anyio.move_on_after(tick_s):
        return await subscription.next_batch(pause_s=PAUSE_S)
    return Batch((), 0)
