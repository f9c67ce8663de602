"""The JSON of the request log: rows, payloads, tapes. Kept from now on.

Payload bytes are base64, with text beside; what is no UTF-8 in them is replaced there.
"""

from __future__ import annotations

import base64
from typing import Any

from app.api.shapes import Listing, Shape, same
from app.domain import Payload, RequestDetail, RequestSummary, StoreStats
from app.log_facts import Gap, LogStats
from app.times import iso


class RequestShape(Shape):
    """`preview` is the first bytes received, at most 64, as text; GET requests/{id} has all.
    `transport` and `address` are of the server that answered; `truncated`: a datagram that was
    longer than the server takes."""

    id: str
    server: str
    peer: str
    connection_id: int
    started_at: str
    duration_us: int
    bytes_in: int
    bytes_out: int
    outcome: str
    closed_by: str | None
    error: str | None
    preview: str
    transport: str
    address: str
    truncated: bool


class GapShape(Shape):
    """What the log does not have. `reason`: `dropped` (its queue was full), `no_room` (its disk
    was), `failed` (it could not be written), `unclean` (the process ended before it had written
    all), `stalled` (the process stood still), `clock_step` (the clock was set; nothing is
    missing). `missing`: how many requests, null where nobody knows. It stands after the row with
    the id `after`, among all rows."""

    reason: str
    began_at: str
    ended_at: str
    missing: int | None
    after: str


class RequestListing(Listing[RequestShape]):
    newer: str | None
    partial: bool
    gaps: list[GapShape]


class CountShape(Shape):
    rows: int
    exact: bool


class PayloadShape(Shape):
    """`base64` and `text` are of the kept prefix, masked where the server says so; `bytes` and
    `sha256` of all that crossed. `sha256` is empty while the request is open, and where something
    is masked or may be."""

    base64: str
    text: str
    bytes: int
    truncated: bool
    sha256: str


class ChunkShape(Shape):
    direction: str
    offset_us: int
    bytes: int


class RequestDetailShape(RequestShape):
    traceback: str | None
    received: PayloadShape
    sent: PayloadShape
    tape: list[ChunkShape]


class LogStatsShape(Shape):
    received: int
    stored: int
    dropped: int
    pending: int
    durable_seq: int
    oldest: str | None
    newest: str | None
    bytes: int
    writer_lag_ms: int
    index_lag_rows: int
    state: str
    error: str | None
    failures: int


def request_shape(row: RequestSummary) -> RequestShape:
    return RequestShape(**_request_fields(row))


def request_detail_shape(detail: RequestDetail) -> RequestDetailShape:
    return RequestDetailShape(
        **_request_fields(detail.summary),
        traceback=detail.traceback,
        received=payload_shape(detail.received),
        sent=payload_shape(detail.sent),
        tape=[
            ChunkShape(
                direction="in" if chunk.inbound else "out",
                offset_us=chunk.offset_us,
                bytes=chunk.size,
            )
            for chunk in detail.tape
        ],
    )


def payload_shape(payload: Payload) -> PayloadShape:
    return PayloadShape(
        base64=base64.b64encode(payload.prefix).decode("ascii"),
        text=payload.prefix.decode("utf-8", "replace"),
        bytes=payload.total,
        truncated=payload.truncated,
        sha256=payload.sha256,
    )


def gap_shape(gap: Gap) -> GapShape:
    return GapShape(
        began_at=iso(gap.began_us),
        ended_at=iso(gap.ended_us),
        **same(gap, "reason", "missing", "after"),
    )


def log_stats_shape(stats: LogStats, held: StoreStats) -> LogStatsShape:
    return LogStatsShape(
        **same(stats, "received", "stored", "dropped", "pending", "writer_lag_ms", "state"),
        failures=stats.failures,
        **same(held, "durable_seq", "bytes", "index_lag_rows"),
        oldest=None if held.oldest_us is None else iso(held.oldest_us),
        newest=None if held.newest_us is None else iso(held.newest_us),
        error=stats.error,
    )


def _request_fields(row: RequestSummary) -> dict[str, Any]:
    return {
        "started_at": iso(row.started_us),
        "preview": row.preview.decode("utf-8", "replace"),
        **same(row, "id", "server", "peer", "connection_id", "duration_us", "bytes_in"),
        **same(row, "bytes_out", "outcome", "closed_by", "error"),
        **same(row, "transport", "address", "truncated"),
    }
