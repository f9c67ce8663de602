"""What happened, as values: frozen dataclasses, named in the past participle.

Belongs here: every fact that leaves sockcore, and the type of the function that takes it.
Does not belong here: sockets, threads, anything that acts. Events hold only plain values,
so that one can cross a process boundary as it is.

Times: `*_us` ending an absolute name is UTC microseconds since the epoch; `offset_us` and
`duration_us` are differences of the monotonic clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

__all__ = [
    "AcceptPaused",
    "AcceptResumed",
    "Bytes",
    "Chunk",
    "ClosedBy",
    "ConnectionClosed",
    "ConnectionOpened",
    "ConnectionRefused",
    "Event",
    "EventSink",
    "HandlerOverdue",
    "Outcome",
    "RequestFinished",
    "RequestProgressed",
    "ServerStarted",
    "ServerStopped",
]

#: How a request ended. `open`: not yet. `error`: the handler raised. `reset`: the client broke
#: the connection off and the handler fell over that. `disconnected`: somebody cut it by hand.
#: `idle`: cut by the idle limit. `unread`: the client did not read what it was sent. `stopped`:
#: its server stopped. `handshake`: TLS did not come about, so there was nothing to answer.
#: `suppressed`: a reply to its datagram was not sent, as a limit on replies wants it.
Outcome = Literal[
    "open",
    "ok",
    "error",
    "reset",
    "disconnected",
    "idle",
    "unread",
    "stopped",
    "handshake",
    "suppressed",
]

#: Who ended it. `handler`: our side was done first. `panel`: cut by hand (`disconnect()`).
#: `unread`: the send limit.
ClosedBy = Literal["client", "handler", "panel", "idle", "unread", "stop"]


class Chunk(NamedTuple):
    """Bytes that crossed in one direction at one moment; the bytes themselves are in `Bytes`."""

    inbound: bool
    offset_us: int  # since the request began
    size: int


class Bytes(NamedTuple):
    """One direction of a request.

    `prefix` is what was kept (at most the tape limit), `total` the true length in bytes and
    `sha256` the digest of all of them, kept or not.
    """

    prefix: bytes = b""
    total: int = 0
    sha256: bytes = b""  # 32 bytes; empty when total is 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStarted:
    """The server listens."""

    server: str
    at_us: int
    address: object  # what getsockname() said


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStopped:
    """The server no longer listens. `abandoned` handlers were still running at the deadline."""

    server: str
    at_us: int
    abandoned: int
    cause: str | None = None  # set when it was not asked to: the loop died of this


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptPaused:
    """accept() failed for want of something (descriptors, memory); tried again with back-off."""

    server: str
    at_us: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptResumed:
    """accept() works again, after `failures` that did not."""

    server: str
    at_us: int
    failures: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionOpened:
    server: str
    connection_id: int
    peer: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionClosed:
    server: str
    connection_id: int
    peer: str
    at_us: int
    closed_by: ClosedBy


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRefused:
    """Closed at once, before any handler: the server was at a limit of its own."""

    server: str
    peer: str
    at_us: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestProgressed:
    """A request that is still open, as it stands: sent at its first tick and when bytes crossed.

    Each one replaces the one before it with the same (server, run_id, request_id).
    """

    server: str
    run_id: str
    request_id: int
    connection_id: int
    peer: str
    started_us: int
    duration_us: int
    received: Bytes
    sent: Bytes
    chunks: tuple[Chunk, ...]
    truncated: bool = False  # a datagram that was longer than max_packet_size
    transport: str = ""  # of its server: tcp, udp, unix or unix-datagram
    address: str = ""  # where that listens, written as a peer is


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerOverdue:
    """A handler has neither read nor written for `busy_s` seconds, which is longer than it may.

    Told once for each request. It goes on undisturbed.
    """

    server: str
    run_id: str
    request_id: int
    connection_id: int
    peer: str
    at_us: int
    busy_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFinished:
    """A request that is over.

    `error` is the traceback when `outcome` is `error`, a sentence when it is `handshake`, else
    None.
    """

    server: str
    run_id: str
    request_id: int
    connection_id: int
    peer: str
    started_us: int
    duration_us: int
    received: Bytes
    sent: Bytes
    chunks: tuple[Chunk, ...]
    outcome: Outcome
    closed_by: ClosedBy
    error: str | None = None
    truncated: bool = False  # a datagram that was longer than max_packet_size
    transport: str = ""  # of its server: tcp, udp, unix or unix-datagram
    address: str = ""  # where that listens, written as a peer is


Event = (
    ServerStarted
    | ServerStopped
    | AcceptPaused
    | AcceptResumed
    | ConnectionOpened
    | ConnectionClosed
    | ConnectionRefused
    | RequestProgressed
    | HandlerOverdue
    | RequestFinished
)

#: Called by one thread at a time, in order, a little after it happened. Must not block, must not
#: raise.
EventSink = Callable[[Event], None]
