"""Requests on their way to the log: a bounded queue that keeps exact accounts.

A finished request counts once: `received == stored + dropped + pending`, always. What is still
open never counts. Knows nothing of stores and of who writes.

What a request may do here, by what is known of it:

    progressed   no room: not taken, the next one brings the same news
                 room: takes the place of the one queued before it
    finished     room: takes the place of a queued progressed one
                 no room, a row of it queued or stored as open: queued without more payload
                 no room, unknown to the log: dropped, and part of a gap
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from app.log_facts import Gap, GapReason
from app.services.pending_gaps import PendingGaps
from app.store.requests import RequestEvent, RequestKey, key_of
from sockcore.events import RequestFinished, RequestProgressed

#: What a queued event takes besides its payload, and a chunk of its tape; measured, rounded up.
EVENT_BYTES: Final = 1_024
CHUNK_BYTES: Final = 136

#: One transaction's share: ~10 ms of the writer's time, so that readers meet short commits.
BATCH_ROWS: Final = 1_000
BATCH_BYTES: Final = 8 * 1024 * 1024

#: Requests whose end is remembered, against a progress report that was overtaken by it.
#: A report is late by the time of one thread switch; this is over a second at full load.
ENDED_KEPT: Final = 8_192


@dataclass(frozen=True, slots=True)
class Accounts:
    """Finished requests, and the age of the oldest event that waits."""

    received: int
    stored: int
    dropped: int
    pending: int
    lag_s: float


class Taken(NamedTuple):
    """What is to be written now: `events`, and after them `gaps`."""

    events: list[RequestEvent]
    gaps: list[Gap]


class _Entry(NamedTuple):
    event: RequestEvent
    size: int
    since: float  # monotonic seconds at which the first of its events came
    ticket: int  # rises; the order of the queue


_tuple = tuple.__new__  # a NamedTuple's own is four times as dear


class PendingRequests:
    """Thread: `offer`, `accounts` and `wait_committed` any; the rest the one that writes."""

    def __init__(self, *, max_rows: int, max_bytes: int, flush_s: float) -> None:
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._flush_s = flush_s
        self._lock = threading.Lock()  # guards everything below
        self._work = threading.Condition(self._lock)  # for the writer: something to do
        self._done = threading.Condition(self._lock)  # for `wait_committed`
        self._queue: OrderedDict[RequestKey, _Entry] = OrderedDict()
        self._taken: list[_Entry] = []  # with the writer, not committed yet
        self._bytes = 0  # of both
        self._ticket = 0
        self._hurry = 0  # up to this ticket nothing waits for company
        self._gaps = PendingGaps()
        self._open: set[RequestKey] = set()  # stored as open, or perhaps so
        self._ended: OrderedDict[RequestKey, None] = OrderedDict()
        self._closing = self._closed = False
        self._received = self._stored = self._dropped = self._pending = 0

    def offer(self, event: RequestEvent) -> None:
        """Queue `event`, or count it as dropped. Waits for nothing but a short lock."""
        key, size = key_of(event), _size(event)
        with self._lock:
            queued = self._queue.get(key)
            if key in self._ended or (queued and isinstance(queued.event, RequestFinished)):
                return  # a report overtaken by the end; or a second end, and a request counts once
            fits = self._queue_locked(key, event, size, queued)
            if isinstance(event, RequestFinished):
                self._received += 1
                self._ended[key] = None
                if len(self._ended) > ENDED_KEPT:
                    self._ended.popitem(last=False)
                if fits or self._complete_locked(key, event, queued):
                    self._pending += 1
                else:
                    self._drop_locked()
            # The writer waits for a first entry, then for a full batch; between them for time.
            if len(self._queue) in (1, BATCH_ROWS):
                self._work.notify()

    def note(self, gap: Gap) -> None:
        """Have the log say that something is missing, after all that is queued so far."""
        with self._lock:
            self._gaps.note(self._ticket, gap)
            self._work.notify()

    def blame(self, reason: GapReason) -> None:
        """What is dropped from now on is dropped for that reason."""
        with self._lock:
            self._gaps.reason = reason

    def take(self) -> Taken | None:
        """Wait for a batch: the first event `flush_s` old, a batch full or somebody in a hurry.
        It ends where there is a gap, which comes with it.

        Events stay pending until `commit`, gaps until `commit_gaps`. None once closed and drained.
        """
        with self._lock:
            while not self._is_due_locked():
                if not self._queue and self._closing:
                    self._closed = True
                    return None
                self._work.wait(self._patience_locked())
            self._take_locked()
            events = [entry.event for entry in self._taken]
            return Taken(events, self._gaps.take(self._next_ticket_locked()))

    def _take_locked(self) -> None:
        size = 0
        end = self._gaps.first_ticket
        while self._queue and len(self._taken) < BATCH_ROWS and size < BATCH_BYTES:
            if end is not None and (self._next_ticket_locked() or 0) > end:
                break
            key, entry = self._queue.popitem(last=False)
            self._taken.append(entry)
            size += entry.size
            if isinstance(entry.event, RequestProgressed):
                self._open.add(key)
            else:
                self._open.discard(key)

    def commit(self) -> None:
        """The events taken are stored."""
        with self._lock:
            finished = size = 0
            for event, bytes_, _, _ in self._taken:
                finished += isinstance(event, RequestFinished)
                size += bytes_
            self._stored += finished
            self._pending -= finished
            self._bytes -= size
            self._taken = []
            self._done.notify_all()

    def commit_gaps(self) -> None:
        """The gaps taken are stored."""
        with self._lock:
            self._gaps.commit()
            self._done.notify_all()

    def hurry(self) -> int:
        """Let nothing queued so far wait for company. Returns: the ticket of the last of it."""
        with self._lock:
            self._hurry = self._ticket
            self._work.notify()
            return self._ticket

    def wait_committed(self, ticket: int, timeout_s: float) -> bool:
        """Wait until all up to `ticket` is committed; False if `timeout_s` was too short."""
        with self._lock:
            return self._done.wait_for(lambda: self._oldest_ticket_locked() > ticket, timeout_s)

    def drain(self) -> None:
        """Let nothing wait any more, and close once the queue is empty."""
        with self._lock:
            self._closing = True
            self._work.notify()

    def close(self) -> None:
        """Take nothing more: what comes now is dropped."""
        with self._lock:
            self._closed = True

    def is_empty(self) -> bool:
        with self._lock:
            return not self._queue and not self._taken and not self._gaps

    def accounts(self) -> Accounts:
        with self._lock:
            oldest = self._oldest_locked()
            return Accounts(
                self._received,
                self._stored,
                self._dropped,
                self._pending,
                time.monotonic() - oldest.since if oldest else 0.0,
            )

    def _drop_locked(self) -> None:
        self._dropped += 1
        # Once closed nobody would write it.
        if not self._closed and self._gaps.drop(self._ticket, time.time_ns() // 1000):
            self._work.notify()

    def _queue_locked(
        self, key: RequestKey, event: RequestEvent, size: int, queued: _Entry | None
    ) -> bool:
        """Queue `event`, in the place of the one before it, if there is room."""
        rows = len(self._queue) + len(self._taken) + (queued is None)
        room = self._max_bytes - self._bytes + (queued.size if queued else 0)
        if self._closed or rows > self._max_rows or size > room:
            return False
        self._put_locked(key, event, size, queued)
        return True

    def _complete_locked(
        self, key: RequestKey, event: RequestFinished, queued: _Entry | None
    ) -> bool:
        """Queue the end of a request whose row would stay open for ever, room or not."""
        completes = not self._closed and (queued is not None or key in self._open)
        if completes:  # at most as many of these as there are open requests
            short = _completion(event, queued.event if queued else None)
            self._put_locked(key, short, _size(short), queued)
        return completes

    def _put_locked(
        self, key: RequestKey, event: RequestEvent, size: int, queued: _Entry | None
    ) -> None:
        if queued:
            self._queue[key] = queued._replace(event=event, size=size)
            self._bytes += size - queued.size
        else:
            self._ticket += 1
            self._queue[key] = _tuple(_Entry, (event, size, time.monotonic(), self._ticket))
            self._bytes += size

    def _is_due_locked(self) -> bool:
        gap = self._gaps.first_ticket
        if not self._queue:
            return gap is not None
        first = next(iter(self._queue.values()))
        return (
            self._closing
            or (gap is not None and gap < first.ticket)
            or first.ticket <= self._hurry
            or len(self._queue) >= BATCH_ROWS
            or time.monotonic() >= first.since + self._flush_s
        )

    def _patience_locked(self) -> float | None:
        """Seconds until the first entry is due; None, for ever, when there is none."""
        if not self._queue:
            return None
        first = next(iter(self._queue.values()))
        return max(0.0, first.since + self._flush_s - time.monotonic())

    def _oldest_locked(self) -> _Entry | None:
        return self._taken[0] if self._taken else next(iter(self._queue.values()), None)

    def _oldest_ticket_locked(self) -> int:
        oldest, gap = self._oldest_locked(), self._gaps.oldest_ticket
        ticket = oldest.ticket if oldest else self._ticket + 1
        return ticket if gap is None else min(ticket, gap)

    def _next_ticket_locked(self) -> int | None:
        return next(iter(self._queue.values())).ticket if self._queue else None


def _size(event: RequestEvent) -> int:
    error = event.error if isinstance(event, RequestFinished) else None
    return (
        EVENT_BYTES
        + len(event.received.prefix)
        + len(event.sent.prefix)
        + len(event.chunks) * CHUNK_BYTES
        + len(error or "")
    )


def _completion(event: RequestFinished, queued: RequestEvent | None) -> RequestFinished:
    """`event` with no more payload than is queued already, and of a traceback the last line."""
    error = event.error
    return replace(
        event,
        received=event.received._replace(prefix=queued.received.prefix if queued else b""),
        sent=event.sent._replace(prefix=queued.sent.prefix if queued else b""),
        chunks=queued.chunks if queued else (),
        error=None if error is None else error.rstrip("\n").rpartition("\n")[2][:EVENT_BYTES],
    )
