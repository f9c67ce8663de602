"""The JSON of the REST API: what it takes and what it gives. Kept from now on.

Times are ISO 8601 UTC with microseconds; payload bytes are base64, with text beside.
"""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

from app.domain import (
    ClientConnection,
    InetAddress,
    Kind,
    LogStats,
    OptionValue,
    Payload,
    RequestDetail,
    RequestSummary,
    ServerStatus,
)
from app.handlers.registry import HandlerInfo

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(us: int) -> str:
    """UTC microseconds since the epoch as `2026-11-23T10:00:00.000001Z`."""
    moment = _EPOCH + timedelta(microseconds=us)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Shape(BaseModel):
    model_config = ConfigDict(frozen=True)


class Listing(Shape, Generic[T]):
    items: list[T]
    next: str | None = None


class FieldProblem(Shape):
    code: str
    detail: str
    field: str


class Problem(Shape):
    """RFC 9457. `field` is the first wrong one, `errors` has them all."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str
    field: str | None = None
    errors: list[FieldProblem] = []


class ServerDefinition(BaseModel):
    """What a create body holds. Checked in full by the service, so that every wrong field of it
    is told at once; here it documents the shape."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "name": "clock",
                    "transport": "tcp",
                    "concurrency": "threading",
                    "handler": "clock",
                    "address": {"host": "127.0.0.1", "port": 10001},
                    "wanted": "running",
                }
            ]
        },
    )

    name: JsonValue = None
    transport: JsonValue = None
    concurrency: JsonValue = None
    handler: JsonValue = None
    handler_options: JsonValue = None
    address: JsonValue = None
    limits: JsonValue = None
    wanted: JsonValue = None


class LimitsShape(Shape):
    max_connections: int
    idle_timeout_s: float
    backlog: int


class InetShape(Shape):
    host: str
    port: int


class UnixShape(Shape):
    name: str


class ServerShape(Shape):
    name: str
    transport: str
    concurrency: str
    handler: str
    handler_options: dict[str, OptionValue]
    address: InetShape | UnixShape
    limits: LimitsShape
    wanted: str
    state: str
    error: str | None
    fileno: int | None
    server_address: tuple[str, int] | str | None
    created_at: str
    started_at: str | None
    connections: int
    connections_total: int
    requests_total: int
    errors_total: int
    refused_total: int
    bytes_in: int
    bytes_out: int


class ConnectionShape(Shape):
    id: int
    peer: str
    opened_at: str
    idle_s: float
    bytes_in: int
    bytes_out: int
    fileno: int | None
    thread: str | None


class RequestShape(Shape):
    """`preview` is the first bytes received, at most 64, as text; GET requests/{id} has all."""

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


class PayloadShape(Shape):
    """`base64` and `text` are of the kept prefix; `bytes` and `sha256` of all of it. `sha256` is
    empty while the request is open."""

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


class KindShape(Shape):
    transport: str
    concurrency: str
    sentence: str


class OptionShape(Shape):
    name: str
    type: str
    default: OptionValue
    help: str


class HandlerShape(Shape):
    key: str
    title: str
    source: str
    transports: list[str]
    options: list[OptionShape]
    error: str | None


class LogStatsShape(Shape):
    received: int
    stored: int
    dropped: int
    pending: int
    writer_lag_ms: int
    state: str
    error: str | None


def server_shape(status: ServerStatus) -> ServerShape:
    spec = status.spec
    address = spec.address
    return ServerShape(
        name=spec.name,
        transport=spec.transport,
        concurrency=spec.concurrency,
        handler=spec.handler,
        handler_options=dict(spec.handler_options),
        address=InetShape(host=address.host, port=address.port)
        if isinstance(address, InetAddress)
        else UnixShape(name=address.name),
        limits=LimitsShape.model_validate(spec.limits, from_attributes=True),
        wanted=spec.wanted,
        created_at=iso(spec.created_us),
        started_at=None if status.started_us is None else iso(status.started_us),
        **_same(status, "state", "error", "fileno", "server_address", "connections"),
        **_same(status, "connections_total", "requests_total", "errors_total", "refused_total"),
        **_same(status, "bytes_in", "bytes_out"),
    )


def connection_shape(connection: ClientConnection) -> ConnectionShape:
    return ConnectionShape(
        opened_at=iso(connection.opened_us),
        idle_s=round(connection.idle_s, 3),
        **_same(connection, "id", "peer", "bytes_in", "bytes_out", "fileno", "thread"),
    )


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


def kind_shape(kind: Kind) -> KindShape:
    return KindShape.model_validate(kind, from_attributes=True)


def handler_shape(info: HandlerInfo) -> HandlerShape:
    return HandlerShape(
        options=[OptionShape.model_validate(o, from_attributes=True) for o in info.options],
        transports=list(info.transports),
        **_same(info, "key", "title", "source", "error"),
    )


def log_stats_shape(stats: LogStats) -> LogStatsShape:
    return LogStatsShape.model_validate(stats, from_attributes=True)


def _request_fields(row: RequestSummary) -> dict[str, Any]:
    return {
        "started_at": iso(row.started_us),
        "preview": row.preview.decode("utf-8", "replace"),
        **_same(row, "id", "server", "peer", "connection_id", "duration_us", "bytes_in"),
        **_same(row, "bytes_out", "outcome", "closed_by", "error"),
    }


def _same(source: object, *names: str) -> dict[str, Any]:
    return {name: getattr(source, name) for name in names}
