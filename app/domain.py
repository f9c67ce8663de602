"""The nouns of the product, as values. Every other part of the app imports
them; they import none of it.

Times are UTC microseconds since the epoch (`*_us`); the faces turn them into ISO 8601.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

from app.log_facts import Gap
from sockcore import ConnectionInfo

Transport = Literal["tcp", "udp", "unix", "unix-datagram"]
Concurrency = Literal["single", "threading", "pool", "forking", "event"]
Isolation = Literal["thread", "process"]
ClientCertificates = Literal["none", "optional", "required"]
CapturePolicy = Literal["full", "preview", "sizes"]
Wanted = Literal["running", "stopped"]
State = Literal["stopped", "starting", "running", "stopping", "failed"]
OptionValue = str | int | float | bool

T = TypeVar("T")

TRANSPORTS: tuple[Transport, ...] = ("tcp", "udp", "unix", "unix-datagram")
STREAMS: tuple[Transport, ...] = ("tcp", "unix")
DATAGRAMS: tuple[Transport, ...] = ("udp", "unix-datagram")
#: The first one is what a definition gets that names none.
CONCURRENCIES: tuple[Concurrency, ...] = ("pool", "threading", "event", "forking", "single")
ISOLATIONS: tuple[Isolation, ...] = ("thread", "process")
CLIENT_CERTIFICATES: tuple[ClientCertificates, ...] = ("none", "optional", "required")
CAPTURE_POLICIES: tuple[CapturePolicy, ...] = ("full", "preview", "sizes")

#: Bytes kept of each direction of a request under the policy `preview`.
PREVIEW_BYTES = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A transport with a concurrency, and when to choose it."""

    transport: Transport
    concurrency: Concurrency
    sentence: str


@dataclass(frozen=True, slots=True)
class InetAddress:
    host: str
    port: int  # 0: any that is free and allowed


@dataclass(frozen=True, slots=True)
class UnixAddress:
    name: str  # a file in the socket directory, never a path


Address = InetAddress | UnixAddress


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one server may use."""

    max_connections: int = 1000  # open at one time; the next is refused. UDP: peers remembered
    max_connections_per_address: int = 0  # the same of one IP address; 0: no limit of its own
    idle_timeout_s: float = 300.0  # seconds without a byte either way; 0: no limit
    send_timeout_s: float = 30.0  # seconds until a client that reads nothing is cut; 0: no limit
    handshake_timeout_s: float = 5.0  # seconds a client has to agree on TLS
    handler_timeout_s: float = 30.0  # seconds until a handler is reported as slow; 0: never
    max_threads: int = 1000  # pool and event: threads that answer at one time
    max_queue: int = 1000  # pool and event: accepted, waiting for a thread; the next is refused
    max_children: int = 40  # forking: processes at one time; the next client waits to be accepted
    backlog: int = 512  # connections the kernel holds before accept(); capped by somaxconn
    # Of datagrams, whose source can be forged.
    replies_per_s: int = 100  # to one address; one more is not sent. 0: no limit
    # To a lower port none is sent, nor to a server of ours, which might answer it. 0: to all.
    replies_from_port: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How a stream server encrypts. Certificates are named as in the folder of certificates."""

    certificate: str
    client_ca: str | None = None  # whose certificates clients are checked with
    client_certificates: ClientCertificates = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """What is kept of the bytes that cross: how many, and what of them is masked before."""

    policy: CapturePolicy = "full"  # `sizes`: none, only how many they were, and when
    bytes: int = 65_536  # of each direction of a request, under `full`
    mask: tuple[str, ...] = ()  # "text:password", "re:[0-9]{16}": what is replaced by *

    @property
    def kept_bytes(self) -> int:
        """Of each direction of a request, at most."""
        if self.policy == "full":
            return self.bytes
        return PREVIEW_BYTES if self.policy == "preview" else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """The definition of a server: what the control database keeps."""

    name: str
    transport: Transport
    concurrency: Concurrency = "pool"
    isolation: Isolation = "thread"  # of this process, or in a process of its own
    handler: str  # a key of the handler registry: "echo", "greeter.py:Greeter"
    address: Address
    handler_options: Mapping[str, OptionValue] = field(default_factory=dict)
    limits: Limits = Limits()
    tls: Tls | None = None
    capture: Capture = Capture()
    wanted: Wanted = "stopped"
    created_us: int = 0

    @property
    def most_connections(self) -> int:
        """Open at one time: the next is refused, or waits to be accepted."""
        limit = self.limits.max_connections
        if self.transport in DATAGRAMS:
            return limit  # peers are remembered, answered or not
        if self.concurrency == "forking":
            return min(limit, self.limits.max_children)
        return 1 if self.concurrency == "single" else limit


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerStatus:
    """A server as it is now: its definition beside what is actually so.

    Totals count the present run, or the last one while stopped.
    """

    spec: ServerSpec
    state: State = "stopped"
    error: str | None = None  # why it failed; or what it suffers from while running
    pid: int | None = None  # of the process it listens in
    fileno: int | None = None  # in that process
    server_address: tuple[str, int] | str | None = None  # the bound one
    started_us: int | None = None
    connections: int = 0
    connections_total: int = 0
    requests_total: int = 0
    errors_total: int = 0
    refused_total: int = 0
    dropped_total: int = 0  # datagrams that no handler got
    suppressed_total: int = 0  # replies to datagrams that were not sent, by `replies_...`
    overdue_total: int = 0  # requests whose handler was slower than `handler_timeout_s`
    bytes_in: int = 0
    bytes_out: int = 0


#: A peer that is connected now; for datagrams, one heard of within the idle limit.
ClientConnection = ConnectionInfo


@dataclass(frozen=True, slots=True)
class Payload:
    """One direction of a request: kept prefix, true length, digest of all of it (hex).

    The digest is empty while the request is open, and where it would tell of what is masked.
    """

    prefix: bytes
    total: int
    sha256: str

    @property
    def truncated(self) -> bool:
        return self.total > len(self.prefix)


@dataclass(frozen=True, slots=True)
class TapeChunk:
    """Bytes that crossed at one moment. `data` is shorter than `size` past the kept prefix."""

    inbound: bool
    offset_us: int
    size: int
    data: bytes


def played(
    chunks: Iterable[tuple[bool, int, int]], received: bytes, sent: bytes
) -> Iterator[TapeChunk]:
    """Each (inbound, offset_us, size) with its part of the kept prefixes."""
    at = [0, 0]
    for inbound, offset_us, size in chunks:
        start = at[inbound]
        at[inbound] = end = start + size
        yield TapeChunk(inbound, offset_us, size, (sent, received)[inbound][start:end])


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSummary:
    """One row of the request log."""

    id: str  # "YYYYMMDD-seq", which is its place in the log and the cursor too
    server: str
    peer: str
    connection_id: int
    started_us: int
    duration_us: int
    bytes_in: int
    bytes_out: int
    outcome: str  # sockcore.events.Outcome, or `lost`: the process died before it ended
    closed_by: str | None
    error: str | None  # last line of the traceback; the whole of it on RequestDetail
    preview: bytes  # first bytes received, at most 64
    transport: str = ""  # of its server; "" in a log from before it was kept
    address: str = ""  # where its server listened, written as a peer is
    truncated: bool = False  # a datagram that lost its end: it was longer than the server takes


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestDetail:
    """A row with both payloads and its tape."""

    summary: RequestSummary
    traceback: str | None
    received: Payload
    sent: Payload
    tape: tuple[TapeChunk, ...]


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some items, newest first; the cursors of the pages before and after it, None at an end.
    `gaps`: what is missing among them, newest first too.

    `partial`: the time for it was over. What it has is right; `next` (or `newer`, where newer ones
    were asked for) goes on from where it stopped.
    """

    items: tuple[T, ...]
    next: str | None
    newer: str | None = None
    partial: bool = False
    gaps: tuple[Gap, ...] = ()


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are: `rows`, or more than that if it is not `exact`."""

    rows: int
    exact: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStats:
    """What the log holds: every request up to `durable_seq` is on the disk."""

    durable_seq: int
    oldest_us: int | None  # when its first request started; None when there is none
    newest_us: int | None
    bytes: int  # on the disk, indexes included
    index_lag_rows: int  # rows that the index of texts does not cover yet


@dataclass(frozen=True, slots=True)
class HeldDay:
    """A day of the log, `YYYYMMDD`, and the bytes that its rows and indexes take."""

    day: str
    bytes: int


@dataclass(frozen=True, slots=True)
class DamagedFile:
    """A day of the log that was damaged, and stands aside. `acknowledged`: somebody knows."""

    name: str
    path: str
    bytes: int
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class RetentionRules:
    """How much of the log is kept. 0: no limit of that kind."""

    max_age_days: int = 30
    max_bytes: int = 10_000_000_000
