"""The observer of one run of a server: its connections, its counts, its events.

What streams and datagrams share; `stream_observer.py` and `datagram_observer.py` add the rest. A
server without an observer makes plain sockets and knows nothing of all this.
"""

from __future__ import annotations

import itertools
import logging
import socket
import sys
import threading
import time
from typing import Any

from sockcore import telling
from sockcore.connections import Connection, ConnectionInfo, Request
from sockcore.events import ClosedBy, Event, EventSink, Outcome, RequestFinished
from sockcore.failures import Tracebacks
from sockcore.limits import Limits
from sockcore.stillness import Stillness
from sockcore.table import ConnectionTable
from sockcore.teller import Teller
from sockcore.telling import now_us
from sockcore.totals import Totals

__all__ = ["Observer"]

log = logging.getLogger("sockcore")

#: An open request is told of at most this often: a small one soon, a large one seldom, since
#: each telling carries the kept prefix again.
_TELL_SMALL_NS = 200_000_000
_TELL_LARGE_NS = 1_000_000_000
_SMALL_BYTES = 4096


class Observer:
    """One run of one server, watched. Thread: any, unless a method says otherwise."""

    def __init__(self, server: str, run_id: str, sink: EventSink, limits: Limits) -> None:
        self.server = server
        self.run_id = run_id
        self.limits = limits  # replaced by obey()
        self.listener: telling.Listener = ("", "")
        self._lock = threading.Lock()  # guards the table, and all that follows `_request_ids`
        self.table = ConnectionTable(self._lock)
        self._teller = Teller(server, sink)
        self._note = self._teller.note
        self._tracebacks = Tracebacks()
        self._stillness = Stillness(time.monotonic_ns())  # touched by tick() alone
        self._request_ids = itertools.count(1)
        self._all_ended = threading.Condition(self._lock)
        self._open_requests = 0
        self._draining = False  # somebody waits for there being none
        self._untold: set[Request] = set()  # those whose end is not told yet, open or over
        self._connections_total = 0
        self._requests_total = 0
        self._errors_total = 0
        self._refused_total = 0
        self._overdue_total = 0  # touched by tick() alone
        self._bytes_in = 0
        self._bytes_out = 0

    def obey(self, limits: Limits) -> None:
        """Also while serving: it takes effect at once."""
        self.limits = limits

    # -- called from the server's hooks ---------------------------------------------------

    def record_of(self, request: Any) -> Request | None:
        """What is known of the request object that the hooks pass around."""
        raise NotImplementedError

    def answering(self, request: Any) -> None:
        """The calling thread answers `request` from now on."""
        record = self.record_of(request)
        if record is not None:
            record.connection.thread = threading.get_ident()
            record.begun_ns = time.monotonic_ns()

    def no_longer_answering(self, request: Any) -> None:
        """The calling thread has left the handler."""
        record = self.record_of(request)
        if record is not None:
            record.begun_ns = None

    def failed(self, request: Any) -> None:
        """The exception being handled is how `request` ended."""
        record, error = self.record_of(request), sys.exc_info()[1]
        if record is not None and error is not None:
            record.fail(error, self._tracebacks)

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
        with self._lock:
            self._turned_away_locked(record, reason)
            self._untold.discard(record)
            self._left_locked()
            self._requests_total -= 1
        self._teller.relieve()

    def emit(self, event: Event) -> None:
        """Tell of `event` at once, after all that happened before."""
        self._teller.say(event)

    def tick_no_more(self) -> None:
        """From now on nothing waits for a tick: what happens is told where it does."""
        self._teller.be_prompt()

    # -- opening and ending ---------------------------------------------------------------

    def _entered_locked(self, request: Request) -> None:
        self._requests_total += 1
        self._open_requests += 1
        self._untold.add(request)

    def _finish_locked(self, request: Request, outcome: Outcome, closed_by: ClosedBy) -> None:
        request.finished = True
        self._note((self._ending, (request, outcome, closed_by, time.monotonic_ns())))
        if outcome == "error":
            self._errors_total += 1
        self._left_locked()

    def _left_locked(self) -> None:
        self._open_requests -= 1
        if self._draining:
            self._all_ended.notify_all()

    def _turned_away_locked(self, request: Request, reason: str) -> None:
        """It counts as refused, and as nothing else."""
        request.finished = True
        self._note((telling.refused, (self.server, request.connection, now_us(), reason)))
        self._refused_total += 1

    def _forget(self, connection: Connection, closed_by: ClosedBy) -> None:
        with self._lock:
            self._forget_locked(connection, closed_by)

    def _forget_locked(self, connection: Connection, closed_by: ClosedBy) -> bool:
        """It is open no more. Returns: False when it was not any more."""
        if not self.table.remove_locked(connection):
            return False
        self._note((telling.closed, (self.server, connection, closed_by, now_us())))
        return True

    def _ending(self, request: Request, *end: Any) -> RequestFinished:
        """Made when it is told: its bytes are counted by its tape until then."""
        ending = telling.finished(self.server, self.run_id, self.listener, request, *end)
        with self._lock:
            self._untold.discard(request)
            if request.connection.stream:
                self._bytes_in += ending.received.total
                self._bytes_out += ending.sent.total
        return ending

    # -- asked and told from outside ------------------------------------------------------

    def connections(self) -> list[ConnectionInfo]:
        """Who is connected now, oldest first; not those that were cut already."""
        names = {thread.ident: thread.name for thread in threading.enumerate() if thread.ident}
        now_ns = time.monotonic_ns()
        return [c.info(now_ns, names) for c in self.table.all() if not c.is_cut]

    def totals(self) -> Totals:
        open_now = self.table.all()
        with self._lock:
            tapes = [r.tape for r in self._untold if r.connection.stream]
            return Totals(
                connections=sum(not c.is_cut for c in open_now),
                connections_total=self._connections_total,
                requests_total=self._requests_total,
                errors_total=self._errors_total,
                refused_total=self._refused_total,
                bytes_in=self._bytes_in + sum(tape.bytes_in for tape in tapes),
                bytes_out=self._bytes_out + sum(tape.bytes_out for tape in tapes),
                overdue_total=self._overdue_total,
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
        """Tell of open requests and end what is silent or stuck for too long. Call it a few times
        a second, from one thread."""
        self._stillness.look(time.monotonic_ns())
        self._look_at_all()
        self._teller.tell()

    def _look_at_all(self) -> None:
        now_ns = time.monotonic_ns()
        for connection in self.table.all():
            request = connection.request
            by = self._over_limit(connection, request, now_ns)
            if by is not None:
                self._cut(connection, by)
            elif request is not None:
                self._look_at(request, now_ns)

    def _over_limit(
        self, connection: Connection, request: Request | None, now_ns: int
    ) -> ClosedBy | None:
        if connection.is_cut:
            return request.ended_by if request is not None else None
        limits, awake_s = self.limits, self._stillness.awake_s
        send_s, idle_s = limits.send_timeout_s, limits.idle_timeout_s
        if request and send_s is not None and awake_s(request.unread_ns(now_ns), now_ns) > send_s:
            return "unread"
        silent_ns = connection.silent_ns(now_ns)
        return "idle" if idle_s and awake_s(silent_ns, now_ns) > idle_s else None

    def _cut(self, connection: Connection, by: ClosedBy) -> None:
        request = connection.request
        if request is None:
            self._forget(connection, by)
            return
        if request.ended_by is None:
            request.ended_by = by
        connection.cut()

    def _look_at(self, request: Request, now_ns: int) -> None:
        """Tell of an open request what there is to tell."""
        self._tell(request, now_ns)
        limit_s = self.limits.handler_timeout_s
        if limit_s is None or request.overdue:
            return
        away_s = self._stillness.awake_s(request.away_ns(now_ns), now_ns)
        if away_s > limit_s:
            request.overdue = True
            self._overdue_total += 1
            told = "%s: the handler of request %d (%s) has been busy for %.1f s"
            log.warning(told, self.server, request.id, request.connection.peer, away_s)
            facts = (self.server, self.run_id, request, away_s, now_us())
            self._note((telling.overdue, facts))

    def _tell(self, request: Request, now_ns: int) -> None:
        tape = request.tape
        if tape.last_ns == request.told_last_ns:
            return
        large = tape.bytes_in + tape.bytes_out > _SMALL_BYTES
        if now_ns - request.told_ns < (_TELL_LARGE_NS if large else _TELL_SMALL_NS):
            return
        with self._lock:
            if request.finished:
                return
            request.told_last_ns, request.told_ns = tape.last_ns, now_ns
            facts = (self.server, self.run_id, self.listener, request, now_ns)
            self._note((telling.progressed, facts))

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
        """Wait until no handler has anything left to answer.

        Returns: False when some still had at the deadline.
        """
        with self._all_ended:
            self._draining = True
            return self._all_ended.wait_for(lambda: not self._open_requests, max(0.0, timeout_s))

    def cut_all(self) -> None:
        for connection in self.table.all():
            self._cut(connection, "stop")

    def abandon(self) -> int:
        """Give up on what is still open: its handlers do not end.

        Returns: how many there were. Their requests are told as ended by the stop.
        """
        raise NotImplementedError
