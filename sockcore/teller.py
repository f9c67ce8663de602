"""Tells a sink what happened: in order, one event at a time, several in a row.

What happened is put down where it happened, which is cheap, and told a little later: by the
ticker, or by whoever finds that much was put down. Making an event and calling the sink amid a
request, between two visits to the kernel, costs three times what it does in a row of them.

Knows events by the functions that make them. Knows nothing of servers or requests.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from sockcore.events import Event, EventSink

__all__ = ["Note", "Teller"]

log = logging.getLogger("sockcore")

#: A function that makes an event, and its arguments.
Note = tuple[Callable[..., Event], tuple[Any, ...]]

#: Events put down until the thread that finds so many tells them itself: half a millisecond
#: of it. At so many that are put down while another tells them, it waits for that one.
_MANY = 128
_TOO_MANY = 8 * _MANY


class Teller:
    """Thread: any. The sink is called by one thread at a time."""

    def __init__(self, server: str, sink: EventSink) -> None:
        self._server = server
        self._sink = sink
        self._sink_failed = False
        self._notes: deque[Note] = deque()
        self._many = _MANY
        self._telling = threading.RLock()  # held while the sink is called, which may call us
        #: Puts down what is to be told.
        self.note: Callable[[Note], None] = self._notes.append

    def relieve(self) -> None:
        """Tell what was put down if it is much. Call it when a client no longer waits."""
        count = len(self._notes)
        if count >= self._many and self._telling.acquire(blocking=count >= _TOO_MANY):
            try:
                self.tell()
            finally:
                self._telling.release()

    def say(self, event: Event) -> None:
        """Tell of `event` now, after all that was put down before."""
        self.note((_as_it_is, (event,)))
        self.tell()

    def be_prompt(self) -> None:
        """From now on nothing is left for a later one to tell."""
        self._many = 1
        self.tell()

    def tell(self) -> None:
        """Tell all that was put down so far. Returns when it is told."""
        with self._telling:
            notes, sink = self._notes, self._sink
            for _ in range(len(notes)):
                if not notes:  # the sink called us
                    return
                make, args = notes.popleft()
                event = make(*args)
                try:
                    sink(event)
                except Exception:
                    self._sink_raised()

    def _sink_raised(self) -> None:
        """It is told of once; serving goes on."""
        if not self._sink_failed:
            self._sink_failed = True
            log.exception("%s: the event sink raised; told once", self._server)


def _as_it_is(event: Event) -> Event:
    return event
