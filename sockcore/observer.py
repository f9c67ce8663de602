"""The observer of one run of a server: its connections, its counts, its events.

Here is what streams and datagrams share; `stream_observer.py` and `datagram_observer.py` add
what differs. A server without an observer makes plain sockets and knows nothing of all this.
"""

from __future__ import annotations

import itertools
import logging
import socket
import threading
import time
from dataclasses import dataclass
from typing import Any

from sockcore.connections import Connection, ConnectionInfo, ConnectionTable, Request
from sockcore.events import (
    ClosedBy,
    ConnectionClosed,
    ConnectionOpened,
    ConnectionRefused,
    Event,
    EventSink,
    RequestFinished,
    RequestProgressed,
)
from sockcore.limits import Limits

__all__ = ["Observer", "Totals", "now_us"]

log = logging.getLogger("sockcore")

#: An open request is told of at most this often: a small one soon, a large one seldom, since
#: each telling carries the kept prefix again.
_TELL_SMALL_NS = 200_000_000
_TELL_LARGE_NS = 1_000_000_000
_SMALL_BYTES = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Counts of one run, what is still open included."""

    connections: int = 0
    connections_total: int = 0
    requests_total: int = 0
    errors_total: int = 0
    refused_total: int = 0
    bytes_in: int = 0
    bytes_out: int = 0


def now_us() -> int:
    """UTC microseconds since the epoch."""
    return time.time_ns() // 1000


class Observer:
    """One run of one server, watched.

    Thread: any, unless a method says otherwise.
    """

    def __init__(self, server: str, run_id: str, sink: EventSink, limits: Limits) -> None:
        self.server = server
        self.run_id = run_id
        self.limits = limits  # may be replaced while serving
        self.table = ConnectionTable()
        self._sink = sink
        self._sink_failed = False
        self._connection_ids = itertools.count(1)
        self._request_ids = itertools.count(1)
        self._lock = threading.Lock()  # guards all that follows
        self._all_told = threading.Condition(self._lock)
        self._untold: set[Request] = set()  # requests whose end is not told yet
        self._connections_total = 0
        self._requests_total = 0
        self._errors_total = 0
        self._refused_total = 0
        self._bytes_in = 0
        self._bytes_out = 0

    # -- called from the server's hooks ---------------------------------------------------

    def record_of(self, request: Any) -> Request | None:
        """What is known of the request object that the hooks pass around."""
        raise NotImplementedError

    def answering(self, request: Any) -> None:
        """The calling thread answers `request` from now on."""
        record = self.record_of(request)
        if record is not None:
            record.connection.thread = threading.current_thread().name

    def no_longer_answering(self) -> None:
        """The calling thread has left the handler."""

    def failed(self, request: Any) -> None:
        """The exception being handled is how `request` ended."""
        record = self.record_of(request)
        if record is not None:
            record.fail()

    def stopping(self, request: Any) -> None:
        """The server stops before a handler got `request`."""
        record = self.record_of(request)
        if record is not None:
            record.ended_by = record.ended_by or "stop"

    def refused(self, request: Any, reason: str) -> None:
        """There was no room for `request`: it counts as refused, and as nothing else."""
        record = self.record_of(request)
        if record is None:
            return
        with record.lock:
            record.finished = True
        with self._lock:
            self._untold.discard(record)
            self._all_told.notify_all()
            self._requests_total -= 1
            self._refused_total += 1
        self.emit(
            ConnectionRefused(
                server=self.server, peer=record.connection.peer, at_us=now_us(), reason=reason
            )
        )

    def emit(self, event: Event) -> None:
        """Send `event`. A sink that raises is told of once; serving goes on."""
        try:
            self._sink(event)
        except Exception:
            if not self._sink_failed:
                self._sink_failed = True
                log.exception("%s: the event sink raised; told once", self.server)

    # -- opening and ending ---------------------------------------------------------------

    def _enter(self, connection: Connection) -> None:
        self.table.add(connection)
        with self._lock:
            self._connections_total += 1
        self.emit(
            ConnectionOpened(
                server=self.server,
                connection_id=connection.id,
                peer=connection.peer,
                at_us=connection.opened_us,
            )
        )

    def _forget(self, connection: Connection, closed_by: ClosedBy) -> None:
        if not self.table.remove(connection):
            return
        connection.request = connection.sock = None
        self.emit(
            ConnectionClosed(
                server=self.server,
                connection_id=connection.id,
                peer=connection.peer,
                at_us=now_us(),
                closed_by=closed_by,
            )
        )

    def _finish(self, request: Request) -> None:
        with request.lock:
            if request.finished:
                return
            self.emit(self._ending(request))
            with self._lock:
                self._untold.discard(request)
                if not self._untold:
                    self._all_told.notify_all()

    def _ending(self, request: Request) -> RequestFinished:
        outcome, closed_by = request.verdict()
        received, sent, chunks = request.tape.snapshot(digest=True)
        with self._lock:
            request.finished = True
            self._errors_total += outcome == "error"
            if request.connection.stream:  # until now they were counted as still open
                self._bytes_in += received.total
                self._bytes_out += sent.total
        return RequestFinished(
            server=self.server,
            run_id=self.run_id,
            request_id=request.id,
            connection_id=request.connection.id,
            peer=request.connection.peer,
            started_us=request.started_us,
            duration_us=(time.monotonic_ns() - request.tape.began_ns) // 1000,
            received=received,
            sent=sent,
            chunks=chunks,
            outcome=outcome,
            closed_by=closed_by,
            error=request.error if outcome in ("error", "handshake") else None,
        )

    # -- asked and told from outside ------------------------------------------------------

    def connections(self) -> list[ConnectionInfo]:
        """Who is connected now, oldest first; not those that were cut already."""
        now_ns = time.monotonic_ns()
        return [c.info(now_ns) for c in self.table.all() if not c.is_cut]

    def totals(self) -> Totals:
        open_now = self.table.all()
        with self._lock:
            tapes = [r.tape for r in self._untold if r.connection.stream and not r.finished]
            return Totals(
                connections=sum(not c.is_cut for c in open_now),
                connections_total=self._connections_total,
                requests_total=self._requests_total,
                errors_total=self._errors_total,
                refused_total=self._refused_total,
                bytes_in=self._bytes_in + sum(tape.bytes_in for tape in tapes),
                bytes_out=self._bytes_out + sum(tape.bytes_out for tape in tapes),
            )

    def disconnect(self, connection_id: int) -> bool:
        """Cut one connection; a datagram peer is forgotten until it is heard of again.

        Returns: False when there is no such connection any more.
        """
        connection = self.table.get(connection_id)
        if connection is None or connection.is_cut:
            return False
        self._cut(connection, "panel")
        return True

    def tick(self) -> None:
        """Tell of open requests and end what is silent too long.

        Call it a few times a second, from one thread.
        """
        now_ns = time.monotonic_ns()
        idle_s = self.limits.idle_timeout_s
        for connection in self.table.all():
            if idle_s and connection.silent_ns(now_ns) > idle_s * 1e9:
                self._cut(connection, "idle")
            elif connection.request is not None:
                self._tell(connection.request, now_ns)

    def _cut(self, connection: Connection, by: ClosedBy) -> None:
        request = connection.request
        if request is None:
            self._forget(connection, by)
            return
        if request.ended_by is None:
            request.ended_by = by
        connection.shut(socket.SHUT_RDWR)

    def _tell(self, request: Request, now_ns: int) -> None:
        tape = request.tape
        if tape.notes == request.told_notes:
            return
        large = tape.bytes_in + tape.bytes_out > _SMALL_BYTES
        if now_ns - request.told_ns < (_TELL_LARGE_NS if large else _TELL_SMALL_NS):
            return
        with request.lock:
            if request.finished:
                return
            request.told_notes, request.told_ns = tape.notes, now_ns
            received, sent, chunks = tape.snapshot(digest=False)
            self.emit(
                RequestProgressed(
                    server=self.server,
                    run_id=self.run_id,
                    request_id=request.id,
                    connection_id=request.connection.id,
                    peer=request.connection.peer,
                    started_us=request.started_us,
                    duration_us=(now_ns - tape.began_ns) // 1000,
                    received=received,
                    sent=sent,
                    chunks=chunks,
                )
            )

    # -- stopping -------------------------------------------------------------------------

    def drain(self) -> None:
        """Let every peer look done to its handler: reading ends, answers still go out."""
        for connection in self.table.all():
            request = connection.request
            if request is None:
                self._forget(connection, "stop")
            else:
                request.ended_by = request.ended_by or "stop"
                connection.shut(socket.SHUT_RD)

    def wait_drained(self, timeout_s: float) -> bool:
        """Wait until no handler has anything left to answer, and all of it is told.

        Returns: False when some still had at the deadline.
        """
        with self._all_told:
            return self._all_told.wait_for(lambda: not self._untold, max(0.0, timeout_s))

    def cut_all(self) -> None:
        for connection in self.table.all():
            self._cut(connection, "stop")

    def abandon(self) -> int:
        """Give up on what is still open: its handlers do not end.

        Returns: how many there were. Their requests are told as ended by the stop.
        """
        left = self.table.all()
        for connection in left:
            request = connection.request
            if request is not None:
                self._finish(request)
            self._forget(connection, "stop")
        return len(left)
