"""REST: the log as files, and one direction of one request as it is.

What is sent is bytes from strangers: always as an attachment, of a type that no browser shows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from app.api.problems import problems
from app.api.requests import Line, asked
from app.deps import Requests
from app.export import EXPORTS

router = APIRouter(tags=["requests"])

#: Bytes that go out at once: a piece for each request would be a million small ones.
_JOINED_BYTES = 64 * 1024

#: Beside what every answer has: whatever would show it must not run it.
_SANDBOX = {"Content-Security-Policy": "default-src 'none'; sandbox"}


@router.get(
    "/requests/export",
    operation_id="exportRequests",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "The requests that the line finds, newest first.",
            "content": {export.media_type: {} for export in EXPORTS.values()},
        },
        **problems(422),
    },
)
def export_requests(
    requests: Requests,
    format_: Annotated[
        Literal["csv", "jsonl", "pcapng"],
        Query(
            alias="format", description="`csv` for sheets, `jsonl` exact, `pcapng` for Wireshark."
        ),
    ],
    q: Line = "",
    server: str | None = None,
) -> StreamingResponse:
    """Streamed, in constant memory. `X-Rows` says how many there are: `10000+` from there on."""
    filter_ = asked(q, server)
    export = EXPORTS[format_]
    count = requests.count(filter_)
    now = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    headers = {
        "Content-Disposition": f'attachment; filename="requests-{now}{export.suffix}"',
        "X-Rows": f"{count.rows}" if count.exact else f"{count.rows}+",
        **_SANDBOX,
    }
    pieces = export.encode(requests.details(filter_))
    return StreamingResponse(_joined(pieces), media_type=export.media_type, headers=headers)


@router.get(
    "/requests/{request_id}/{direction}",
    operation_id="getPayload",
    response_class=Response,
    responses={
        200: {
            "description": "The bytes that were kept.",
            "content": {"application/octet-stream": {}},
        },
        **problems(404),
    },
)
def get_payload(
    request_id: str, direction: Literal["received", "sent"], requests: Requests
) -> Response:
    """The bytes kept of one direction, as they crossed. `X-Total-Bytes`: how many crossed."""
    detail = requests.get(request_id)
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


def _joined(pieces: Iterator[bytes]) -> Iterator[bytes]:
    joined = bytearray()
    for piece in pieces:
        joined += piece
        if len(joined) >= _JOINED_BYTES:
            yield bytes(joined)
            joined.clear()
    yield bytes(joined)
