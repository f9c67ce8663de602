"""What a host process has to tell its parent: in order, bounded, and never in a handler's way.

Knows events and how they are sent. Knows nothing of the server they come from.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sockcore.connections import ConnectionInfo
from sockcore.events import Event, RequestFinished, RequestProgressed
from sockcore.totals import Totals
from sockcore.wire import Channel, Message

__all__ = ["Outbox", "Standing", "send_all"]

log = logging.getLogger("sockcore")

#: Events and bytes that wait for the parent at most.
_MOST_EVENTS = 50_000
_MOST_BYTES = 64 * 1024 * 1024

#: Events and bytes of one message; the last event may go beyond.
_BATCH_EVENTS = 500
_BATCH_BYTES = 1024 * 1024

#: Seconds in which events gather to a batch.
_GATHER_S = 0.01

#: Seconds between two tellings of how it stands; longer where there are many connections.
_STANDING_S = 0.2
_STANDING_OF_MANY_S = 1.0
_MANY = 200

#: Part of the time that telling how it stands may take, however many there are.
_STANDING_SHARE = 0.05


def _weight(event: Event) -> int:
    """Bytes it takes, roughly."""
    if isinstance(event, RequestProgressed | RequestFinished):
        kept = len(event.received.prefix) + len(event.sent.prefix)
        return 1000 + kept + 100 * len(event.chunks)
    return 500


class Outbox:
    """Events on their way. Of an open request only the latest news waits, and none once it is
    over. When there is no room, such news goes first, then other events; both are counted and
    logged.

    Thread: any puts, one takes.
    """

    def __init__(self, most_events: int = _MOST_EVENTS, most_bytes: int = _MOST_BYTES) -> None:
        self._most_events, self._most_bytes = most_events, most_bytes
        self._changed = threading.Condition()  # guards all that follows
        self._words: deque[Message] = deque()  # first in line
        self._line: deque[Event | int] = deque()  # a number: of the request in _progress
        self._progress: dict[int, RequestProgressed] = {}  # by request id
        self._bytes = 0
        self._lost = self._lost_news = 0
        self._ended = False

    def __call__(self, event: Event) -> None:
        """The sink of the server."""
        weight = _weight(event)
        with self._changed:
            if isinstance(event, RequestProgressed):
                self._put_progress(event, weight)
                return
            if isinstance(event, RequestFinished):
                self._forget(event.request_id)  # told better now
            if not self._has_room(weight):
                self._forget_all_progress()
                if not self._has_room(weight):
                    self._lost += 1
                    return
            self._bytes += weight
            self._append(event)

    def _put_progress(self, event: RequestProgressed, weight: int) -> None:
        known = self._progress.get(event.request_id)
        if known is not None:
            self._bytes -= _weight(known)
        elif not self._has_room(weight):
            self._lost_news += 1
            return
        else:
            self._append(event.request_id)
        self._progress[event.request_id] = event
        self._bytes += weight

    def _has_room(self, weight: int) -> bool:
        return len(self._line) < self._most_events and self._bytes + weight <= self._most_bytes

    def _forget(self, request_id: int) -> None:
        forgotten = self._progress.pop(request_id, None)
        if forgotten is not None:
            self._bytes -= _weight(forgotten)

    def _forget_all_progress(self) -> None:
        self._lost_news += len(self._progress)
        for request_id in list(self._progress):
            self._forget(request_id)
        self._line = deque(each for each in self._line if not isinstance(each, int))

    def _append(self, entry: Event | int) -> None:
        self._line.append(entry)
        if len(self._line) in (1, _BATCH_EVENTS):
            self._changed.notify()

    def say(self, *word: Any) -> None:
        """Put a message before the events."""
        with self._changed:
            self._words.append(word)
            self._changed.notify()

    def end(self) -> None:
        """Nothing more comes."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    @property
    def is_ended(self) -> bool:
        return self._ended

    def wait(self, timeout_s: float) -> None:
        """Until there is something to take, and a moment for what comes with it."""
        with self._changed:
            urgent = self._words or self._ended
            if not urgent and not self._line:
                self._changed.wait(timeout_s)
            if self._line:
                self._changed.wait_for(self._is_urgent, _GATHER_S)

    def _is_urgent(self) -> bool:
        return bool(self._words) or self._ended or len(self._line) >= _BATCH_EVENTS

    def take(self) -> Message | None:
        """The next message; None when there is none."""
        with self._changed:
            if self._words:
                return self._words.popleft()
            batch = self._take_batch()
            lost, news, self._lost, self._lost_news = self._lost, self._lost_news, 0, 0
        if lost or news:
            told = "the parent does not keep up: %d events and %d news of open requests are lost"
            log.error(told, lost, news)
        return ("events", batch) if batch else None

    def _take_batch(self) -> list[Event]:
        batch: list[Event] = []
        size = 0
        while self._line and len(batch) < _BATCH_EVENTS and size < _BATCH_BYTES:
            entry = self._line.popleft()
            event = self._progress.pop(entry, None) if isinstance(entry, int) else entry
            if event is not None:
                weight = _weight(event)
                self._bytes -= weight
                size += weight
                batch.append(event)
        return batch


class Standing:
    """How a server stands, told when it has changed, and not too often."""

    def __init__(
        self, totals: Callable[[], Totals], connections: Callable[[], list[ConnectionInfo]]
    ) -> None:
        self._totals = totals
        self._connections = connections
        self._told: Any = None
        self._due = 0.0  # monotonic seconds

    @property
    def due_s(self) -> float:
        """Seconds until it may be told again."""
        return max(0.0, self._due - time.monotonic())

    def news(self) -> Message | None:
        """What to tell; None when nothing has changed but how long it is silent."""
        began = time.monotonic()
        totals, connections = self._totals(), self._connections()
        told = (totals, [replace(connection, idle_s=0.0) for connection in connections])
        took_s = time.monotonic() - began
        pause_s = _STANDING_S if len(connections) <= _MANY else _STANDING_OF_MANY_S
        self._due = time.monotonic() + max(pause_s, took_s / _STANDING_SHARE)
        if told == self._told:
            return None
        self._told = told
        return ("standing", totals, connections)


def send_all(outbox: Outbox, standing: Standing, channel: Channel) -> None:
    """Send what comes, until the end, and how it stands then. Thread: one of its own.

    Raises: OSError when the parent is gone.
    """
    while True:
        outbox.wait(standing.due_s)
        ended = outbox.is_ended
        message = outbox.take()
        if message is not None:
            channel.send(*message)
        over = ended and message is None
        news = standing.news() if over or not standing.due_s else None
        if news is not None:
            channel.send(*news)
        if over:
            return
