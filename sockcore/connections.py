"""Who is connected: the connections of one server, and the requests they carry.

Knows records, not which of them are open (`table.py`), nor SQL, pages or how a server accepts.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
import weakref
from dataclasses import dataclass
from typing import Any

from sockcore.errors import SendBufferFull
from sockcore.events import ClosedBy, Outcome
from sockcore.failures import Tracebacks
from sockcore.kernel import bytes_taken, discard_received
from sockcore.tape import Tape

__all__ = ["Connection", "ConnectionInfo", "Request"]

#: By whom it was ended -> how the request ended, where that says more than the handler does.
_ENDED: dict[ClosedBy, Outcome] = {
    "panel": "disconnected",
    "idle": "idle",
    "unread": "unread",
    "stop": "stopped",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionInfo:
    """A connection as it stood when asked for."""

    id: int
    peer: str
    opened_us: int
    idle_s: float
    bytes_in: int
    bytes_out: int
    fileno: int | None  # None for a datagram peer
    thread: str | None  # the thread that answers it; None before one does
    last_bytes: bytes  # of the latest chunk received, at most 32
    tls: str | None = None  # version and cipher; None without TLS, and before the handshake
    certificate: str | None = None  # the subject of the one that the peer showed, RFC 4514


class Connection:
    """A peer: of a stream from accept to close, of datagrams by address until idle."""

    __slots__ = (
        "__weakref__",
        "address",
        "bytes_in",
        "bytes_out",
        "id",
        "last_bytes",
        "last_ns",
        "opened_us",
        "peer",
        "request",
        "sock",
        "stream",
        "thread",
    )

    def __init__(self, connection_id: int, address: Any, peer: str, *, stream: bool) -> None:
        self.id = connection_id
        self.address = address
        self.peer = peer
        self.stream = stream
        self.opened_us = time.time_ns() // 1000
        self.thread: str | None = None
        # A stream: its one request and its socket. The socket is held weakly, so that it dies
        # with the last user of it, as in the stdlib.
        self.request: Request | None = None
        self.sock: weakref.ref[socket.socket] | None = None
        # A datagram peer: what it amounts to so far.
        self.bytes_in = 0
        self.bytes_out = 0
        self.last_ns = time.monotonic_ns()
        self.last_bytes = b""

    @property
    def is_cut(self) -> bool:
        """By hand or by a limit: the peer is gone, only the handler is not done yet."""
        request = self.request
        return request is not None and request.ended_by in ("panel", "idle", "unread")

    def silent_ns(self, now_ns: int) -> int:
        request = self.request
        return max(0, now_ns - (request.tape.last_ns if request else self.last_ns))

    def info(self, now_ns: int) -> ConnectionInfo:
        request = self.request
        tape = request.tape if request else None
        sock = self.sock() if self.sock else None
        return ConnectionInfo(
            id=self.id,
            peer=self.peer,
            opened_us=self.opened_us,
            idle_s=self.silent_ns(now_ns) / 1e9,
            bytes_in=tape.bytes_in if tape else self.bytes_in,
            bytes_out=tape.bytes_out if tape else self.bytes_out,
            fileno=sock.fileno() if sock is not None and sock.fileno() >= 0 else None,
            thread=self.thread,
            last_bytes=tape.last_bytes(32) if tape else self.last_bytes[:32],
            tls=getattr(sock, "tls", None),
            certificate=getattr(sock, "certificate", None),
        )

    def cut(self) -> None:
        """End it at once, for the peer too. Calling it again does no harm, and more good."""
        sock = self.sock() if self.sock else None
        if sock is not None:
            discard_received(sock)
            self.shut(socket.SHUT_RDWR)

    def shut(self, how: int) -> None:
        """socket.shutdown(how); nothing for a datagram peer, or when it is closed already."""
        sock = self.sock() if self.sock else None
        if sock is not None:
            with contextlib.suppress(OSError):  # closed or reset meanwhile: what we want
                # Not that of a TLS socket: it would drop TLS under the feet of its handler.
                socket.socket.shutdown(sock, how)


class Request:
    """What one handler instance answers: a stream's connection, or one datagram."""

    __slots__ = (
        "begun_ns",
        "connection",
        "ended_by",
        "error",
        "finished",
        "handshake_failed",
        "id",
        "overdue",
        "reset",
        "started_us",
        "stuck",
        "tape",
        "told_last_ns",
        "told_ns",
        "truncated",
    )

    def __init__(self, request_id: int, connection: Connection, tape: Tape) -> None:
        self.id = request_id
        self.connection = connection
        self.tape = tape
        self.started_us = time.time_ns() // 1000
        self.begun_ns: int | None = None  # monotonic; while a handler has it, since when
        self.finished = False
        self.error: str | None = None
        self.handshake_failed = False
        self.reset = False
        self.ended_by: ClosedBy | None = None  # set when it is not left to the handler
        self.told_ns = 0  # when RequestProgressed was last sent
        self.told_last_ns = 0  # and what had crossed last by then
        self.overdue = False  # and that its handler is
        self.truncated = False  # a datagram that lost its end
        self.stuck: tuple[int, object] | None = None  # what unread_ns() saw, and when at first

    def fail(self, error: BaseException, tracebacks: Tracebacks) -> None:
        """`error` is how it ended."""
        if isinstance(error, SendBufferFull):
            self.ended_by = self.ended_by or "unread"
        elif self.tape.peer_ended and _tells_of_break(error):
            self.reset = True  # the client's doing, no fault of the handler
        elif not self.handshake_failed:
            self.error = tracebacks.text(error)

    def away_ns(self, now_ns: int) -> int:
        """How long its handler has neither read nor written. Of a datagram: has had it."""
        begun_ns, tape = self.begun_ns, self.tape
        if begun_ns is None:
            return 0
        if not self.connection.stream:
            return now_ns - begun_ns
        if tape.reading or tape.writing:
            return 0
        return now_ns - max(begun_ns, tape.away_ns)

    def unread_ns(self, now_ns: int) -> int:
        """How long the peer of a stream has taken nothing of what it is being sent; as far as
        was seen by calling this again and again."""
        sock = self.connection.sock() if self.connection.sock else None
        if sock is None or not self.tape.writing:
            self.stuck = None
            return 0
        taken = (self.tape.bytes_out, bytes_taken(sock))
        if self.stuck is None or self.stuck[1] != taken:
            self.stuck = (now_ns, taken)
        return now_ns - self.stuck[0]

    def fail_handshake(self, why: str) -> None:
        """TLS did not come about. `why` is a sentence, for people."""
        self.handshake_failed, self.error = True, why

    def moved(self, heir: socket.socket) -> None:
        """Its connection goes on in `heir`."""
        self.connection.sock = weakref.ref(heir)

    def verdict(self) -> tuple[Outcome, ClosedBy]:
        """How it ended and by whom."""
        if self.ended_by is not None:
            return _ENDED[self.ended_by], self.ended_by
        if self.handshake_failed:
            return "handshake", "client" if self.tape.peer_ended else "handler"
        if self.reset:
            return "reset", "client"
        if self.error is not None:
            return "error", "handler"
        return "ok", "client" if self.tape.peer_ended else "handler"


def _tells_of_break(error: BaseException | None) -> bool:
    ssl = sys.modules.get("ssl")  # not imported for those who do without
    return isinstance(error, ConnectionError) or (
        ssl is not None and isinstance(error, ssl.SSLEOFError)
    )
