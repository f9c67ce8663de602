"""REST: what happens, as server-sent events with JSON data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from anyio import to_thread
from fastapi import APIRouter
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.api.request_shapes import request_shape
from app.api.shapes import server_shape
from app.deps import Feed, Servers
from app.errors import NotFound
from app.services.live import Batch, Notice
from app.services.servers import ServerService

router = APIRouter(tags=["events"])

#: Seconds within which changes of one server come as one event.
_COALESCE_S = 0.1


@router.get("/events", operation_id="watchEvents", response_class=EventSourceResponse)
async def watch_events(
    feed: Feed, servers: Servers, server: str | None = None
) -> AsyncIterator[ServerSentEvent]:
    """A stream of `server` (as GET servers/{name}), `server.deleted`, `connection.opened`,
    `connection.closed`, `request` (a row as stored) and `gap` (`missed` events did not fit)."""
    with feed.subscribe(server) as subscription:
        yield ServerSentEvent(comment="watching")
        while (batch := await subscription.next_batch(pause_s=_COALESCE_S)) is not None:
            for event in await to_thread.run_sync(_events, batch, servers):
                yield event


def _events(batch: Batch, servers: ServerService) -> list[ServerSentEvent]:
    """The events of one batch; several changes of one server are told once, as it is now."""
    events = [
        ServerSentEvent(event=notice.topic, data=data)
        for notice in batch.notices
        if (data := _data(notice)) is not None
    ]
    for name in dict.fromkeys(n.server for n in batch.notices if n.topic != "server.deleted"):
        try:
            status = servers.get(name)
        except NotFound:
            continue  # deleted since: that event came, or comes
        events.append(ServerSentEvent(event="server", data=server_shape(status)))
    if batch.missed:
        events.append(ServerSentEvent(event="gap", data={"missed": batch.missed}))
    return events


def _data(notice: Notice) -> Any:
    """The data of one notice; None for one that only says that its server changed."""
    if notice.request is not None:
        return request_shape(notice.request)
    if notice.topic in ("connection.opened", "connection.closed"):
        return {"server": notice.server, "id": notice.connection_id, "peer": notice.peer}
    if notice.topic == "server.deleted":
        return {"server": notice.server}
    return None
