"""Who is connected, and what is asked: the peers of one server and their requests.

Knows records, not which of them are open (`table.py`), nor SQL, pages or how a server accepts.
What is both, connection and request, is in `streams.py`.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import time
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from sockcore.errors import SendBufferFull
from sockcore.events import ClosedBy, Outcome
from sockcore.failures import Tracebacks
from sockcore.kernel import bytes_taken, discard_received
from sockcore.peers import peer_label
from sockcore.tape import Tape

__all__ = ["Connection", "ConnectionInfo", "Datagram", "DatagramPeer", "Request"]

_NO_NAMES: Mapping[int, str] = MappingProxyType({})


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

    # What most never have is said here, not in each: there is one for every request.
    stream = False
    #: The thread that answers it, by its number, or what else does, by name. None before one does.
    thread: int | str | None = None
    #: Of a stream. Held weakly, so that it dies with the last user of it, as in the stdlib.
    sock: weakref.ref[socket.socket] | None = None
    id: int
    address: Any
    opened_us: int

    @property
    def peer(self) -> str:
        """How it is written."""
        raise NotImplementedError

    @property
    def request(self) -> Request | None:
        """The one request that a stream is, until that is over."""
        return None

    @property
    def bytes_in(self) -> int:
        raise NotImplementedError

    @property
    def bytes_out(self) -> int:
        raise NotImplementedError

    @property
    def last_bytes(self) -> bytes:
        """How the latest chunk received begins: at most 32 bytes."""
        raise NotImplementedError

    @property
    def last_ns(self) -> int:
        """When bytes last crossed, monotonic."""
        raise NotImplementedError

    @property
    def is_cut(self) -> bool:
        """By hand or by a limit: the peer is gone, only the handler is not done yet."""
        request = self.request
        return request is not None and request.ended_by in ("panel", "idle", "unread")

    def silent_ns(self, now_ns: int) -> int:
        return max(0, now_ns - self.last_ns)

    def info(self, now_ns: int, names: Mapping[int, str] = _NO_NAMES) -> ConnectionInfo:
        """`names`: of threads, by their number."""
        sock, thread = self.sock() if self.sock else None, self.thread
        return ConnectionInfo(
            id=self.id,
            peer=self.peer,
            opened_us=self.opened_us,
            idle_s=self.silent_ns(now_ns) / 1e9,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            fileno=sock.fileno() if sock is not None and sock.fileno() >= 0 else None,
            thread=names.get(thread, f"thread {thread}") if isinstance(thread, int) else thread,
            last_bytes=self.last_bytes,
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


class DatagramPeer(Connection):
    """Whoever sends datagrams from one address."""

    peer = ""
    bytes_in = 0
    bytes_out = 0
    last_bytes = b""
    last_ns = 0

    def __init__(self, number: int, address: Any) -> None:
        self.id = number
        self.address = address
        self.peer = peer_label(address)
        self.opened_us = time.time_ns() // 1000
        self.last_ns = time.monotonic_ns()


class Request:
    """What one handler instance answers: a stream's connection, or one datagram."""

    # What few of them ever change is said here, not in each.
    begun_ns: int | None = None  # monotonic; while a handler has it, since when
    finished = False
    error: str | None = None
    handshake_failed = False
    reset = False
    ended_by: ClosedBy | None = None  # set when it is not left to the handler
    told_ns = 0  # when RequestProgressed was last sent
    told_last_ns = 0  # and what had crossed last by then
    overdue = False  # and that its handler is
    truncated = False  # a datagram that lost its end
    suppressed = False  # one that a reply was not sent to
    stuck: tuple[int, object] | None = None  # what unread_ns() saw, and when at first
    id: int
    tape: Tape
    started_us: int

    @property
    def connection(self) -> Connection:
        raise NotImplementedError

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
        if self.suppressed:
            return "suppressed", "handler"
        return "ok", "client" if self.tape.peer_ended else "handler"


class Datagram(Request):
    """A datagram, and what is sent in answer to it."""

    def __init__(self, number: int, peer: DatagramPeer, tape: Tape) -> None:
        self.id = number
        self._peer = peer
        self.tape = tape
        self.started_us = time.time_ns() // 1000

    @property
    def connection(self) -> DatagramPeer:
        return self._peer


def _tells_of_break(error: BaseException | None) -> bool:
    ssl = sys.modules.get("ssl")  # not imported for those who do without
    return isinstance(error, ConnectionError) or (
        ssl is not None and isinstance(error, ssl.SSLEOFError)
    )
