"""From events to rows: one thread that commits in groups, then tells who wants to know.

Handlers meet a bounded queue (`pending.py`), never the disk. Knows nothing of SQL and of
browsers: it is given a store and a function.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from app.domain import LogStats, RequestSummary
from app.services.pending import PendingRequests
from app.store.requests import RequestEvent, RequestStore

log = logging.getLogger("app.recorder")

Publish = Callable[[Sequence[RequestSummary]], None]

#: Seconds until a failed commit is tried again: doubled each time, up to the second.
RETRY_FIRST_S: Final = 0.2
RETRY_LAST_S: Final = 5.0


class NoRoom(Exception):
    """The disk has no room for the log, though it could still be written to."""


class Recorder:
    """Writes what requests did to the log, while there is room for it.

    65,536 rows or 64 MiB of them may wait: some 20 s of a locked database at 1,000 requests a
    second and more. The newest are dropped beyond that, and counted. `flush_s` (seconds) is the
    longest that an event waits for others to be committed with. `shortage` says why there is no
    room for the log, None while there is; until there is again nothing is written.
    """

    def __init__(
        self,
        store: RequestStore,
        publish: Publish,
        *,
        shortage: Callable[[], str | None] = lambda: None,
        max_rows: int = 65_536,
        max_bytes: int = 64 * 1024 * 1024,
        flush_s: float = 0.2,
    ) -> None:
        self._store = store
        self._publish = publish
        self._shortage = shortage
        self._pending = PendingRequests(max_rows=max_rows, max_bytes=max_bytes, flush_s=flush_s)
        self._failure: str | None = None
        self._stop = threading.Event()
        self._deadline = float("inf")  # monotonic seconds; set before _stop
        # A daemon: stop() waits for it, but a disk that hangs must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin to write. Once."""
        self._thread.start()

    def submit(self, event: RequestEvent) -> None:
        """Take note of `event`. Thread: any; never waits for the disk, never raises."""
        self._pending.offer(event)

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
        )

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
        while batch := self._pending.take():
            rows = self._write(batch)
            if rows is None:
                return
            self._pending.commit()
            try:
                self._publish(rows)
            except Exception:
                log.exception("publishing %d stored requests failed; they are stored", len(rows))

    def _write(self, batch: list[RequestEvent]) -> list[RequestSummary] | None:
        """Try until `batch` is committed; None if that did not happen before the deadline."""
        retry_s = RETRY_FIRST_S
        while True:
            try:
                if short := self._shortage():
                    raise NoRoom(short)
                rows = self._store.append(batch)
            except NoRoom as reason:
                if self._failure is None:
                    log.error("the request log is not written: %s", reason)
                self._failure = str(reason)
            except Exception as error:
                if self._failure is None:
                    log.exception("the request log cannot be written; trying again")
                self._failure = f"{type(error).__name__}: {error}"
            else:
                if self._failure is not None:
                    log.info("the request log can be written again")
                self._failure = None
                return rows
            if not self._pause(retry_s):
                return None
            retry_s = min(2 * retry_s, RETRY_LAST_S)

    def _pause(self, seconds: float) -> bool:
        """Wait, cut short when a stop is asked for; False when its deadline has passed."""
        if not self._stop.is_set():
            self._stop.wait(seconds)
            return True
        left = self._deadline - time.monotonic()
        if left > 0:
            time.sleep(min(seconds, left))
        return left > 0
