"""The JSON of the REST API: what it takes and what it gives. Kept from now on.

Times are ISO 8601 UTC with microseconds. The request log's are in `request_shapes.py`.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from app.domain import (
    ClientConnection,
    InetAddress,
    Kind,
    OptionValue,
    ServerStatus,
)
from app.handlers.registry import HandlerInfo
from app.times import iso

T = TypeVar("T")


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


class LimitsShape(Shape):
    max_connections: int
    max_connections_per_address: int
    idle_timeout_s: float
    send_timeout_s: float
    handshake_timeout_s: float
    handler_timeout_s: float
    max_threads: int
    max_queue: int
    max_children: int
    backlog: int
    replies_per_s: int
    replies_from_port: int


class TlsShape(Shape):
    certificate: str
    client_ca: str | None
    client_certificates: str


class CaptureShape(Shape):
    policy: str
    bytes: int
    mask: list[str]


class InetShape(Shape):
    host: str
    port: int


class UnixShape(Shape):
    name: str


class ServerShape(Shape):
    name: str
    transport: str
    concurrency: str
    isolation: str
    handler: str
    handler_options: dict[str, OptionValue]
    address: InetShape | UnixShape
    limits: LimitsShape
    tls: TlsShape | None
    capture: CaptureShape
    wanted: str
    state: str
    error: str | None
    pid: int | None
    fileno: int | None
    server_address: tuple[str, int] | str | None
    created_at: str
    started_at: str | None
    connections: int
    connections_total: int
    requests_total: int
    errors_total: int
    refused_total: int
    dropped_total: int
    suppressed_total: int
    overdue_total: int
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
    tls: str | None
    certificate: str | None


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


def server_shape(status: ServerStatus) -> ServerShape:
    spec = status.spec
    address = spec.address
    return ServerShape(
        name=spec.name,
        transport=spec.transport,
        concurrency=spec.concurrency,
        isolation=spec.isolation,
        handler=spec.handler,
        handler_options=dict(spec.handler_options),
        address=InetShape(host=address.host, port=address.port)
        if isinstance(address, InetAddress)
        else UnixShape(name=address.name),
        limits=LimitsShape.model_validate(spec.limits, from_attributes=True),
        tls=spec.tls and TlsShape.model_validate(spec.tls, from_attributes=True),
        capture=CaptureShape.model_validate(spec.capture, from_attributes=True),
        wanted=spec.wanted,
        created_at=iso(spec.created_us),
        started_at=None if status.started_us is None else iso(status.started_us),
        **same(status, "state", "error", "pid", "fileno", "server_address"),
        **same(status, "connections", "connections_total", "requests_total", "errors_total"),
        **same(status, "refused_total", "dropped_total", "suppressed_total", "overdue_total"),
        **same(status, "bytes_in", "bytes_out"),
    )


def connection_shape(connection: ClientConnection) -> ConnectionShape:
    return ConnectionShape(
        opened_at=iso(connection.opened_us),
        idle_s=round(connection.idle_s, 3),
        **same(connection, "id", "peer", "bytes_in", "bytes_out", "fileno", "thread"),
        **same(connection, "tls", "certificate"),
    )


def kind_shape(kind: Kind) -> KindShape:
    return KindShape.model_validate(kind, from_attributes=True)


def handler_shape(info: HandlerInfo) -> HandlerShape:
    return HandlerShape(
        options=[OptionShape.model_validate(o, from_attributes=True) for o in info.options],
        transports=list(info.transports),
        **same(info, "key", "title", "source", "error"),
    )


def same(source: object, *names: str) -> dict[str, Any]:
    """The attributes of `source` that are the same in its JSON."""
    return {name: getattr(source, name) for name in names}
