"""The live pages: one stream of HTML each, at most four messages a second.

Every message is a handful of `<hx-partial>`s. The first one holds all live regions, so that what
happened between the page and its stream is not lost; nor is what happened while a tab slept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Header, Query
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.deps import LOOK_S, Admission, All, Services, needs
from app.domain import RequestSummary
from app.errors import NotFound, Unauthorized
from app.search.line import parse
from app.services.live import Batch, Subscription
from app.web.log_pages import Search, asked
from app.web.one_screens import DeletionScreen, RequestScreen
from app.web.screens import (
    RequestsScreen,
    Screen,
    Sent,
    ServerScreen,
    ServersScreen,
)
from app.web.view import partial, render

router = APIRouter()

#: Seconds that a burst is gathered for: at most five updates a second.
PAUSE_S = 0.2

#: The name of the last event of a page whose server was deleted.
GONE = "gone"


def _existing(name: str, found: All) -> str:
    """Raises: NotFound, while an answer can still say so."""
    return found.servers.get(name).spec.name


@router.get("/live/servers", response_class=EventSourceResponse)
@needs("see")
async def live_servers(found: All) -> AsyncIterator[ServerSentEvent]:
    async for event in _watch(found, None, ServersScreen(found)):
        yield event


@router.get("/live/servers/{name}", response_class=EventSourceResponse)
@needs("see", server="name")
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


#: A place in the log, as the page was given it.
_PLACE = r"^[0-9]{8}-(0|[1-9][0-9]{0,17})$"


@router.get("/live/requests", response_class=EventSourceResponse)
@needs("see")
async def live_requests(
    found: All,
    sought: Annotated[Search, Depends(_sought)],
    since: Annotated[str | None, Query(pattern=_PLACE)] = None,
    last_event_id: Annotated[str | None, Header(pattern=_PLACE)] = None,
) -> AsyncIterator[ServerSentEvent]:
    screen = RequestsScreen(found, sought, last_event_id or since)
    async for event in _watch(found, sought.one_server, screen):
        yield event


def _deletion(deletion_id: str, found: All) -> str:
    """Raises: NotFound."""
    return found.deletions.get(deletion_id).id


@router.get("/live/deletions/{deletion_id}", response_class=EventSourceResponse)
@needs("administer")
async def live_deletion(
    id_: Annotated[str, Depends(_deletion)], found: All
) -> AsyncIterator[ServerSentEvent]:
    async for event in _watch(found, None, DeletionScreen(found, id_)):
        yield event


def _logged(request_id: str, found: All) -> RequestSummary:
    """Raises: NotFound."""
    return found.requests.get(request_id).summary


@router.get("/live/requests/{request_id}", response_class=EventSourceResponse)
@needs("see")
async def live_request(
    row: Annotated[RequestSummary, Depends(_logged)],
    found: All,
    of: Annotated[str, Query()] = "received",
    at: Annotated[str, Query()] = "",
) -> AsyncIterator[ServerSentEvent]:
    async for event in _watch(found, row.server, RequestScreen(found, row.id, of, at)):
        yield event


async def _watch(
    found: Services, server: str | None, screen: Screen
) -> AsyncIterator[ServerSentEvent]:
    """Ends when the feed closes, when the client goes, or when what is watched is gone."""
    sent = Sent()
    admission = Admission(found)
    watched = None if server is None else frozenset((server,))
    with found.feed.subscribe(watched) as subscription:
        batch: Batch | None = None
        try:
            while True:
                html = await run_sync(_changed, sent, screen, batch)
                if html:
                    yield ServerSentEvent(raw_data=html, id=screen.place)
                batch = await _next(subscription, admission, screen.tick_s)
                if batch is None:
                    return
        except (NotFound, Unauthorized) as gone:
            notice = render("_gone.html", text=gone.detail, known=isinstance(gone, NotFound))
            yield ServerSentEvent(raw_data=partial("live-region", notice, "innerHTML"))
            yield ServerSentEvent(event=GONE, raw_data="")


def _changed(sent: Sent, screen: Screen, batch: Batch | None) -> str:
    return sent.changed(screen.regions(batch))


async def _next(
    subscription: Subscription, admission: Admission, tick_s: float | None
) -> Batch | None:
    """The next batch; an empty one when nothing came for `tick_s`; None when the feed closed.

    Raises: Unauthorized once whoever watches is not to any more.
    """
    while True:
        wait_s = LOOK_S if tick_s is None else tick_s
        batch = await subscription.next_batch(pause_s=PAUSE_S, timeout_s=wait_s)
        await run_sync(admission.check)
        if batch is None or batch.notices or batch.missed or tick_s is not None:
            return batch
