"""Live feed: what changed, from any thread, to the watchers on the event loop.

Knows nothing of sockets, SQL or HTML. Every watcher has a bounded queue; what does not fit is
counted and told as `missed`, so that a slow watcher slows nobody.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from dataclasses import dataclass
from typing import Literal, Self

from app.domain import RequestSummary
from app.log_facts import Gap

#: Notices one watcher may lag behind before it misses some. At ~300 bytes each: 300 KiB.
QUEUE_LIMIT = 1_000

Topic = Literal[
    "server", "server.deleted", "connection.opened", "connection.closed", "request", "log"
]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something changed. `server`, `connection.*`: look it up; `request`: the row as committed;
    `log`: requests were deleted, or something is missing since now. It is of no server."""

    topic: Topic
    server: str
    connection_id: int | None = None
    peer: str | None = None
    request: RequestSummary | None = None
    gap: Gap | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Notices since the last batch, oldest first, and how many did not fit."""

    notices: tuple[Notice, ...]
    missed: int

    def tells_of_the_log(self) -> bool:
        """Whether there may be news of any request."""
        return self.request_ids() != set()

    def request_ids(self) -> set[str] | None:
        """The requests of which there is news; None: there may be of any."""
        if self.missed or any(notice.topic == "log" for notice in self.notices):
            return None
        return {notice.request.id for notice in self.notices if notice.request is not None}


class LiveFeed:
    """Fans notices out to subscriptions.

    Thread: `publish` and `close` from any; `subscribe` and its iteration on the event loop.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _subscriptions and _closed
        self._subscriptions: tuple[Subscription, ...] = ()
        self._closed = False

    @property
    def watchers(self) -> int:
        return len(self._subscriptions)

    def publish(self, *notices: Notice) -> None:
        """Hand `notices` to every watcher. Never blocks; costs nothing when nobody watches."""
        for subscription in self._subscriptions:
            subscription.offer(notices)

    def subscribe(
        self, servers: frozenset[str] | None = None, *, log: bool = True
    ) -> Subscription:
        """Watch those servers, or everything. `log`: and what concerns the log of all of them.
        Use as a context manager."""
        wanted = servers if servers is None or not log else servers | {""}
        subscription = Subscription(self, wanted, asyncio.get_running_loop())
        with self._lock:
            if self._closed:
                subscription.close()
            else:
                self._subscriptions += (subscription,)
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        with self._lock:
            self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)

    def close(self) -> None:
        """End every subscription, now and later, so that open streams return."""
        with self._lock:
            self._closed = True
            open_now, self._subscriptions = self._subscriptions, ()
        for subscription in open_now:
            subscription.close()


class Subscription:
    """One watcher's bounded queue."""

    def __init__(
        self,
        feed: LiveFeed,
        servers: frozenset[str] | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._feed = feed
        self._wanted = servers
        self._loop = loop
        self._lock = threading.Lock()  # guards _queue, _missed and _closed
        self._queue: deque[Notice] = deque()
        self._missed = 0
        self._closed = False
        self._wake = asyncio.Event()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._feed.unsubscribe(self)

    def offer(self, notices: tuple[Notice, ...]) -> None:
        """Queue what this watcher wants. Thread: any."""
        with self._lock:
            was_empty = not self._queue and not self._missed
            for notice in notices:
                if self._wanted is not None and notice.server not in self._wanted:
                    continue
                if len(self._queue) < QUEUE_LIMIT:
                    self._queue.append(notice)
                else:
                    self._missed += 1
            wake = was_empty and bool(self._queue)
        if wake:
            self._call(self._wake.set)

    def close(self) -> None:
        """End the iteration. Thread: any."""
        with self._lock:
            self._closed = True
        self._call(self._wake.set)

    async def next_batch(
        self, *, pause_s: float = 0.0, timeout_s: float | None = None
    ) -> Batch | None:
        """Wait for something, then `pause_s` more so that a burst comes as one batch.

        Returns: None once the feed is closed; an empty batch when nothing came for `timeout_s`.
        """
        while True:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._wake.wait()
            except TimeoutError:
                return Batch((), 0)
            if pause_s and not self._closed:
                await asyncio.sleep(pause_s)
            with self._lock:
                if self._closed:
                    return None
                batch = Batch(tuple(self._queue), self._missed)
                self._queue.clear()
                self._missed = 0
                self._wake.clear()
            # A wake-up may arrive after the batch that it announced has been taken.
            if batch.notices or batch.missed:
                return batch

    def _call(self, callback: object) -> None:
        assert callable(callback)
        try:
            self._loop.call_soon_threadsafe(callback)
        except RuntimeError:
            # The loop is closed: its watchers are gone with it.
            self._feed.unsubscribe(self)
