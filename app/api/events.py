"""REST: what happens, as server-sent events with JSON data."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Depends
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.api.problems import problems
from app.api.request_shapes import gap_shape, request_shape
from app.api.shapes import server_shape
from app.deps import LOOK_S, Admission, All, needs
from app.errors import NotFound, Unauthorized
from app.services.access import authorize
from app.services.live import Batch, Notice
from app.services.servers import ServerService

router = APIRouter(tags=["events"])

#: Seconds within which changes of one server come as one event.
_COALESCE_S = 0.1


def _visible(found: All, server: str | None = None) -> str | None:
    """Raises: NotFound for a server that the caller is not to know of, while it can be said."""
    if server is not None:
        authorize(found.who, "see", server)
    return server


@router.get(
    "/events",
    operation_id="watchEvents",
    response_class=EventSourceResponse,
    responses=problems(404),
)
@needs("see")
async def watch_events(
    found: All, server: Annotated[str | None, Depends(_visible)]
) -> AsyncIterator[ServerSentEvent]:
    """A stream of `server` (as GET servers/{name}), `server.deleted`, `connection.opened`,
    `connection.closed`, `request` (a row as stored), `log.gap` (what the log lacks, as in a
    listing of requests; not to a token of some servers) and `gap` (`missed` events did not fit
    into this stream)."""
    asked = found.who.servers if server is None else frozenset((server,))
    admission = Admission(found)
    with found.feed.subscribe(asked, log=found.who.servers is None) as subscription:
        yield ServerSentEvent(comment="watching")
        while True:
            batch = await subscription.next_batch(pause_s=_COALESCE_S, timeout_s=LOOK_S)
            if batch is None or not await to_thread.run_sync(_goes_on, admission):
                return
            for event in await to_thread.run_sync(_events, batch, found.servers):
                yield event


def _goes_on(admission: Admission) -> bool:
    try:
        admission.check()
    except Unauthorized:
        return False
    return True


def _events(batch: Batch, servers: ServerService) -> list[ServerSentEvent]:
    """The events of one batch; several changes of one server are told once, as it is now."""
    events = [
        ServerSentEvent(event="log.gap" if notice.gap else notice.topic, data=data)
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
    if notice.gap is not None:
        return gap_shape(notice.gap)
    if notice.topic in ("connection.opened", "connection.closed"):
        return {"server": notice.server, "id": notice.connection_id, "peer": notice.peer}
    if notice.topic == "server.deleted":
        return {"server": notice.server}
    return None
