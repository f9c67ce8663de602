"""Who is connected: the connections of one server, and the requests they carry.

Knows records and the table. Knows nothing of SQL, pages or how a server accepts.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys
import threading
import time
import traceback
import weakref
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from sockcore.events import ClosedBy, Outcome
from sockcore.tape import Tape

__all__ = ["Connection", "ConnectionInfo", "ConnectionTable", "Request", "peer_label"]

#: Characters kept of a traceback: its end, where the cause is. An exception may hold megabytes.
_ERROR_CHARS = 16 * 1024

#: By whom it was ended -> how the request ended, where that says more than the handler does.
_ENDED: dict[ClosedBy, Outcome] = {"panel": "disconnected", "idle": "idle", "stop": "stopped"}


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
        """By hand or for being idle: the peer is gone, only the handler is not done yet."""
        request = self.request
        return request is not None and request.ended_by in ("panel", "idle")

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
        "connection",
        "ended_by",
        "error",
        "finished",
        "handshake_failed",
        "id",
        "lock",
        "reset",
        "started_us",
        "tape",
        "told_notes",
        "told_ns",
    )

    def __init__(self, request_id: int, connection: Connection, tape: Tape) -> None:
        self.id = request_id
        self.connection = connection
        self.tape = tape
        self.started_us = time.time_ns() // 1000
        self.lock = threading.Lock()  # held while an event about it is made and sent
        self.finished = False
        self.error: str | None = None
        self.handshake_failed = False
        self.reset = False
        self.ended_by: ClosedBy | None = None  # set when it is not left to the handler
        self.told_ns = 0  # when RequestProgressed was last sent
        self.told_notes = -1  # and of how many notes

    def fail(self) -> None:
        """The exception being handled is how it ended."""
        if self.tape.peer_ended and _tells_of_break(sys.exc_info()[1]):
            self.reset = True  # the client's doing, no fault of the handler
        elif not self.handshake_failed:
            self.error = traceback.format_exc()[-_ERROR_CHARS:]

    def fail_handshake(self, why: str) -> None:
        """TLS did not come about. `why` is a sentence, for people."""
        self.handshake_failed, self.error = True, why

    def moved(self, heir: socket.socket) -> None:
        """Its connection goes on in `heir`."""
        before = self.connection.sock
        self.connection.sock = weakref.ref(heir, before.__callback__ if before else None)

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


class ConnectionTable:
    """The open connections by id, and datagram peers by address too.

    Thread: any. What comes out is a copy.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards both mappings
        self._by_id: dict[int, Connection] = {}
        self._peers: dict[Hashable, Connection] = {}  # the one silent longest first

    def __len__(self) -> int:
        return len(self._by_id)

    def add(self, connection: Connection) -> None:
        with self._lock:
            self._by_id[connection.id] = connection
            if not connection.stream:
                self._peers[connection.address] = connection

    def remove(self, connection: Connection) -> bool:
        """Returns: False when it was not there any more."""
        with self._lock:
            found = self._by_id.pop(connection.id, None) is not None
            if found and not connection.stream:
                self._peers.pop(connection.address, None)
            return found

    def get(self, connection_id: int) -> Connection | None:
        with self._lock:
            return self._by_id.get(connection_id)

    def peer(self, address: Hashable) -> Connection | None:
        """The datagram peer at `address`, who thereby becomes the one heard of last."""
        with self._lock:
            found = self._peers.pop(address, None)
            if found is not None:
                self._peers[address] = found
            return found

    def quietest_peer(self) -> Connection | None:
        with self._lock:
            return next(iter(self._peers.values()), None)

    def all(self) -> list[Connection]:
        """Every open one, oldest first."""
        with self._lock:
            return list(self._by_id.values())


def peer_label(address: Any, sock: socket.socket | None = None) -> str:
    """How a peer is written: `127.0.0.1:50122`, `[::1]:50122`, a path, `pid 4242`, `unnamed`.

    A Unix stream peer has no address; the kernel tells its process id instead.
    """
    if isinstance(address, tuple):
        host, port = address[0], address[1]
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if isinstance(address, bytes):
        return "@" + address.lstrip(b"\0").decode("utf-8", "backslashreplace")
    if address:
        # A path may hold bytes that are no text: those are written as escapes.
        return os.fsencode(str(address)).decode("utf-8", "backslashreplace")
    if sock is not None and hasattr(socket, "SO_PEERCRED"):
        with contextlib.suppress(OSError):  # not a local socket after all
            size = struct.calcsize("3i")
            raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
            pid, _uid, _gid = struct.unpack("3i", raw)
            return f"pid {pid}"
    return "unnamed"
