"""REST: the log as files, and one direction of one request as it is.

What is sent is bytes from strangers: always as an attachment, of a type that no browser shows.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response, StreamingResponse

from app.api.downloads import Download
from app.api.problems import problems
from app.api.requests import Line, asked
from app.api.shapes import Shape, same
from app.deps import Admission, All, By, LogExports, Requests, Services, needs
from app.domain import Count
from app.export import EXPORTS, Export
from app.search.terms import Filter
from app.services.exports import ExportProgress, resting

router = APIRouter(tags=["requests"])

#: Bytes that go out at once: a piece for each request would be a million small ones.
_JOINED_BYTES = 64 * 1024

#: Beside what every answer has: whatever would show it must not run it.
_SANDBOX = {"Content-Security-Policy": "default-src 'none'; sandbox"}

Id = Annotated[str, Path(alias="export_id")]


class ExportShape(Shape):
    """`about`: how many requests there may be in all, just so many if it is `exact`. `state`:
    running, done, cancelled, or broken: whoever was sent it went away."""

    rows: int
    about: int | None
    exact: bool
    state: str


class _Held(Download):
    def __init__(self, pieces: Generator[bytes], held: ExitStack, **more: Any) -> None:
        """`held` is closed when it is over, whichever way."""
        super().__init__(pieces, **more)
        self._held = held
        held.callback(pieces.close)  # at once, when whoever is sent it has gone

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        with self._held:
            await super().__call__(scope, receive, send)


@router.get(
    "/requests/export",
    operation_id="exportRequests",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The requests that the line finds, newest first.",
            "content": {export.media_type: {} for export in EXPORTS.values()},
        },
        **problems(409, 422, 429),
    },
)
@needs("see")
def export_requests(
    found: All,
    format_: Annotated[
        Literal["csv", "jsonl", "pcapng"],
        Query(
            alias="format", description="`csv` for sheets, `jsonl` exact, `pcapng` for Wireshark."
        ),
    ],
    q: Line = "",
    server: str | None = None,
    follow: Annotated[
        str | None,
        Query(pattern="^[0-9a-f]{16}$", description="A name for GET log/exports/{name}."),
    ] = None,
) -> StreamingResponse:
    """Streamed, in constant memory. `X-Rows` says how many there are: `10000+` from there on. An
    answer that ends before its time, because it was stopped or its login ended, is no whole one
    for HTTP either.
    Four at one time: the next one is asked to come again."""
    filter_ = asked(q, server, found.who)
    export = EXPORTS[format_]
    with ExitStack() as held:
        held.enter_context(found.exports.place())
        return _begun(found, export, filter_, follow, held)


def _begun(
    found: Services, export: Export, filter_: Filter, follow: str | None, held: ExitStack
) -> StreamingResponse:
    """What is held goes over to the answer."""
    requests = found.requests
    count = requests.count(filter_)
    headers = _headers(export, count)
    details = requests.details(filter_)
    if follow is not None:
        details = found.exports.follow(follow, details, count, found.who)
    pieces = _joined(export.encode(resting(details, lambda: requests.stats().received)))
    return _Held(
        pieces,
        held.pop_all(),
        admission=Admission(found),
        media_type=export.media_type,
        headers=headers,
    )


def _headers(export: Export, count: Count) -> dict[str, str]:
    now = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    return {
        "Content-Disposition": f'attachment; filename="requests-{now}{export.suffix}"',
        "X-Rows": f"{count.rows}" if count.exact else f"{count.rows}+",
        **_SANDBOX,
    }


@router.get("/log/exports/{export_id}", operation_id="getExport", responses=problems(404))
@needs("self")
def get_export(id_: Id, exports: LogExports, by: By) -> ExportShape:
    """How far an export of yours is that was given a name to `follow`; an admin's: anybody's."""
    return export_shape(exports.get(id_, by))


@router.delete("/log/exports/{export_id}", operation_id="cancelExport", responses=problems(404))
@needs("self")
def cancel_export(id_: Id, exports: LogExports, by: By) -> ExportShape:
    """Send no more of it. Whoever is sent it sees that it is not whole."""
    return export_shape(exports.cancel(id_, by))


def export_shape(progress: ExportProgress) -> ExportShape:
    return ExportShape(**same(progress, "rows", "about", "exact", "state"))


@router.get(
    "/requests/{request_id}/{direction}",
    operation_id="getPayload",
    response_class=Response,
    responses={
        200: {
            "description": "The bytes that were kept.",
            "content": {"application/octet-stream": {}},
        },
        **problems(404, 422),
    },
)
@needs("see")
def get_payload(
    request_id: str, direction: Literal["received", "sent"], requests: Requests, by: By
) -> Response:
    """The bytes kept of one direction, as they crossed. `X-Total-Bytes`: how many crossed."""
    detail = requests.get(request_id, by)
    payload = detail.received if direction == "received" else detail.sent
    return Response(
        payload.prefix,
        media_type="application/octet-stream",
        headers={
            "Content-Disposition": f'attachment; filename="{detail.summary.id}-{direction}.bin"',
            "X-Total-Bytes": f"{payload.total}",
            **_SANDBOX,
        },
    )


def _joined(pieces: Iterator[bytes]) -> Generator[bytes]:
    joined = bytearray()
    for piece in pieces:
        joined += piece
        if len(joined) >= _JOINED_BYTES:
            yield bytes(joined)
            joined.clear()
    yield bytes(joined)
