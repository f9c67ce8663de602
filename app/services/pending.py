"""Requests on their way to the log: a bounded queue that keeps exact accounts.

A finished request counts once: `received == stored + dropped + pending`, always. What is still
open never counts. Knows nothing of stores and of who writes.

What a request may do here, by what is known of it:

    progressed   no room: not taken, the next one brings the same news
                 room: takes the place of the one queued before it
    finished     room: takes the place of a queued progressed one
                 no room, a row of it queued or stored as open: queued without more payload
                 no room, unknown to the log: dropped
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

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


class _Entry(NamedTuple):
    event: RequestEvent
    size: int
    since: float  # monotonic seconds at which the first of its events came
    ticket: int  # rises; the order of the queue


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
        self._open: set[RequestKey] = set()  # stored as open, or perhaps so
        self._ended: OrderedDict[RequestKey, None] = OrderedDict()
        self._closing = self._closed = False
        self._received = self._stored = self._dropped = self._pending = 0

    def offer(self, event: RequestEvent) -> None:
        """Queue `event`, or count it as dropped. Waits for nothing but a short lock."""
        key = key_of(event)
        with self._lock:
            if self._has_ended_locked(key):
                return  # a report overtaken by the end; or a second end, and a request counts once
            if isinstance(event, RequestFinished):
                self._received += 1
                self._remember_end_locked(key)
                if self._queue_finished_locked(key, event):
                    self._pending += 1
                else:
                    self._dropped += 1
            else:
                self._replace_locked(key, event)
            # The writer waits for a first entry, then for a full batch; between them for time.
            if len(self._queue) in (1, BATCH_ROWS):
                self._work.notify()

    def take(self) -> list[RequestEvent]:
        """Wait for a batch: the first event `flush_s` old, a batch full or somebody in a hurry.

        The batch stays pending until `commit`. Empty once closed and drained.
        """
        with self._lock:
            while not self._is_due_locked():
                if not self._queue and self._closing:
                    self._closed = True
                    return []
                self._work.wait(self._patience_locked())
            size = 0
            while self._queue and len(self._taken) < BATCH_ROWS and size < BATCH_BYTES:
                key, entry = self._queue.popitem(last=False)
                self._taken.append(entry)
                size += entry.size
                if isinstance(entry.event, RequestProgressed):
                    self._open.add(key)
                else:
                    self._open.discard(key)
            return [entry.event for entry in self._taken]

    def commit(self) -> None:
        """The batch taken is stored."""
        with self._lock:
            finished = sum(isinstance(entry.event, RequestFinished) for entry in self._taken)
            self._stored += finished
            self._pending -= finished
            self._bytes -= sum(entry.size for entry in self._taken)
            self._taken = []
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
            return not self._queue and not self._taken

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

    def _queue_finished_locked(self, key: RequestKey, event: RequestFinished) -> bool:
        if self._replace_locked(key, event):
            return True
        queued = self._queue.get(key)
        if self._closed or (queued is None and key not in self._open):
            return False
        # Its row would stay open for ever. There are at most as many of these as open requests.
        self._put_locked(key, _completion(event, queued.event if queued else None), queued)
        return True

    def _replace_locked(self, key: RequestKey, event: RequestEvent) -> bool:
        """Queue `event`, in the place of the one before it, if there is room."""
        queued = self._queue.get(key)
        rows = len(self._queue) + len(self._taken) + (queued is None)
        room = self._max_bytes - self._bytes + (queued.size if queued else 0)
        if self._closed or rows > self._max_rows or _size(event) > room:
            return False
        self._put_locked(key, event, queued)
        return True

    def _put_locked(self, key: RequestKey, event: RequestEvent, queued: _Entry | None) -> None:
        size = _size(event)
        if queued:
            self._queue[key] = queued._replace(event=event, size=size)
            self._bytes += size - queued.size
        else:
            self._ticket += 1
            self._queue[key] = _Entry(event, size, time.monotonic(), self._ticket)
            self._bytes += size

    def _has_ended_locked(self, key: RequestKey) -> bool:
        if key in self._ended:
            return True
        queued = self._queue.get(key)
        return queued is not None and isinstance(queued.event, RequestFinished)

    def _remember_end_locked(self, key: RequestKey) -> None:
        self._ended[key] = None
        if len(self._ended) > ENDED_KEPT:
            self._ended.popitem(last=False)

    def _is_due_locked(self) -> bool:
        if not self._queue:
            return False
        first = next(iter(self._queue.values()))
        return (
            self._closing
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
        oldest = self._oldest_locked()
        return oldest.ticket if oldest else self._ticket + 1


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
