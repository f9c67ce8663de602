"""From events to rows: one thread that commits in groups, then tells who wants to know.

Handlers meet a bounded queue (`pending.py`), never the disk. Knows nothing of SQL and of
browsers: it is given a store and a function.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, TypeVar

from app.domain import RequestSummary
from app.failpoints import failpoint
from app.log_facts import Gap, LogStats
from app.services.pending import PendingRequests
from app.store.requests import DiskFailed, RequestEvent, RequestStore

log = logging.getLogger("app.recorder")

Publish = Callable[[Sequence[RequestSummary]], None]

#: Hears of a gap that is in the log now; of None when recording fails, or works again.
News = Callable[[Gap | None], None]

T = TypeVar("T")

#: Seconds until a failed commit is tried again: doubled each time, up to the second.
RETRY_FIRST_S: Final = 0.2
RETRY_LAST_S: Final = 5.0

#: The same where the disk itself failed: each try of ours is work for it.
DISK_FIRST_S: Final = 1.0
DISK_LAST_S: Final = 60.0

#: And where there is no room, which costs little to ask.
ROOM_S: Final = 0.5


class NoRoom(Exception):
    """The disk has no room for the log, though it could still be written to."""


class Recorder:
    """Writes what requests did to the log, while there is room for it.

    65,536 rows or 64 MiB of them may wait: some 20 s of a locked database at 1,000 requests a
    second and more. The newest are dropped beyond that, and counted. `flush_s` (seconds) is the
    longest that an event waits for others to be committed with. `shortage` says why there is no
    room for the log, None while there is; until there is again nothing is written. What was
    dropped becomes a gap row, where it would be.
    """

    def __init__(
        self,
        store: RequestStore,
        publish: Publish,
        *,
        shortage: Callable[[], str | None] = lambda: None,
        news: News = lambda _gap: None,
        max_rows: int = 65_536,
        max_bytes: int = 64 * 1024 * 1024,
        flush_s: float = 0.1,
    ) -> None:
        self._store = store
        self._publish = publish
        self._shortage = shortage
        self._pending = PendingRequests(max_rows=max_rows, max_bytes=max_bytes, flush_s=flush_s)
        self._news = news
        self._faring = threading.Lock()  # guards what follows, but for reading it
        self._failure: str | None = None
        self._for_room = False  # it is that there is no room
        self._failures = 0
        self._stop = threading.Event()
        self._hurried = False  # the try that a stop asks for at once has been; the writer's own
        self._deadline = float("inf")  # monotonic seconds; set before _stop
        # A daemon: stop() waits for it, but a disk that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin to write. Once."""
        self._thread.start()

    def submit(self, event: RequestEvent) -> None:
        """Take note of `event`. Thread: any; never waits for the disk, never raises."""
        self._pending.offer(event)

    def note(self, gap: Gap) -> None:
        """Have the log say what is missing, after all that was submitted. Thread: any."""
        self._pending.note(gap)

    def stats(self) -> LogStats:
        """The accounts at one moment. Thread: any."""
        accounts, failure = self._pending.accounts(), self._failure
        return LogStats(
            received=accounts.received,
            stored=accounts.stored,
            dropped=accounts.dropped,
            pending=accounts.pending,
            writer_lag_ms=int(accounts.lag_s * 1000),
            state="failed" if failure else "ok",
            error=failure,
            failures=self._failures,
        )

    def check(self) -> None:
        """Find out whether there is room, without waiting for something to write. Thread: any."""
        short = self._short()
        if short and self._failure is None:
            self._failed(NoRoom(short))
        elif not short and self._for_room:
            self._works()

    def flush(self, timeout_s: float) -> bool:
        """Commit all that was submitted before; False if it took longer than `timeout_s`.

        Thread: any but the recorder's own.
        """
        return self._pending.wait_committed(self._pending.hurry(), timeout_s)

    def stop(self, timeout_s: float) -> bool:
        """Commit what is queued, then end the thread. What comes later is dropped and counted.

        Returns: False if something could not be written within `timeout_s`; it is logged how much.
        """
        self._deadline = time.monotonic() + timeout_s
        self._stop.set()
        self._pending.drain()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        self._pending.close()
        if self._pending.is_empty():
            return True
        pending = self._pending.accounts().pending
        log.error("stopped with %d finished requests not written to the log", pending)
        return False

    def _run(self) -> None:
        while (taken := self._pending.take()) is not None:
            if taken.events and not self._write(taken.events):
                return
            for gap in taken.gaps:
                noted = self._insist(partial(self._store.note, gap))
                if noted is None:
                    return
                self._tell(noted)
            self._pending.commit_gaps()

    def _write(self, batch: list[RequestEvent]) -> bool:
        """Returns: False if it could not be before the deadline."""
        rows = self._insist(partial(self._store.append, batch))
        if rows is None:
            return False
        try:
            failpoint("log.before_ack")
            self._publish(rows)
        except Exception:
            log.exception("publishing %d stored requests failed; they are stored", len(rows))
        self._pending.commit()
        return True

    def _insist(self, act: Callable[[], T]) -> T | None:
        """Try until it is done; None if that did not happen before the deadline."""
        retry_s = 0.0
        while True:
            try:
                if short := self._short():
                    raise NoRoom(short)
                done = act()
            except Exception as error:
                self._failed(error)
                retry_s = _next_wait(error, retry_s)
            else:
                self._works()
                return done
            if not self._pause(retry_s):
                return None

    def _failed(self, error: Exception) -> None:
        with self._faring:
            first = self._failure is None
            self._for_room = isinstance(error, NoRoom)
            if self._for_room:
                self._failure = str(error)
            else:
                self._failure = f"{type(error).__name__}: {error}"
                self._failures += 1
            self._pending.blame("no_room" if self._for_room else "failed")
        if first:
            if self._for_room:
                log.error("the request log is not written: %s", error)
            else:
                log.error("the request log cannot be written; trying again", exc_info=error)
            self._tell(None)

    def _works(self) -> None:
        with self._faring:
            if self._failure is None:
                return
            self._failure, self._for_room = None, False
            self._pending.blame("dropped")
        log.info("the request log can be written again")
        self._tell(None)

    def _tell(self, gap: Gap | None) -> None:
        try:
            self._news(gap)
        except Exception:
            log.exception("telling how the request log fares failed; it goes on")

    def _short(self) -> str | None:
        try:
            return self._shortage()
        except OSError as error:
            return f"Its disk does not say how much room there is: {error}."

    def _pause(self, seconds: float) -> bool:
        """Wait, cut short when a stop is asked for; False when its deadline has passed."""
        if not self._hurried:  # also where the stop came while the last try failed
            self._hurried = self._stop.wait(seconds)
            return True
        left = self._deadline - time.monotonic()
        if left > 0:
            time.sleep(min(seconds, left))
        return left > 0


def _next_wait(error: Exception, last_s: float) -> float:
    """Seconds until the next try; `last_s`: until this one, 0 at first."""
    if isinstance(error, NoRoom):
        return ROOM_S
    disk = isinstance(error, DiskFailed)
    first_s, most_s = (DISK_FIRST_S, DISK_LAST_S) if disk else (RETRY_FIRST_S, RETRY_LAST_S)
    return min(2 * last_s, most_s) if last_s else first_s
