"""Keeps the search index of the log up to date: one thread, when nobody else needs the time.

Knows a store that can do a bit more, and whether the recorder is busy. Knows nothing of SQL.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from app.domain import LogStats
from app.store.requests import RequestStore

log = logging.getLogger("app.indexer")

#: Seconds between two looks at what there is to do.
_LOOK_S: Final = 1.0

#: Of the time it takes, how much it leaves to others before it goes on: a fifth of one core.
_REST: Final = 4.0

#: Requests that wait to be written: from here on writing and serving come first.
_BUSY_PENDING: Final = 2_000


class Indexer:
    """Thread: `start` and `stop` any, once each."""

    def __init__(self, store: RequestStore, recorder: Callable[[], LogStats]) -> None:
        self._store = store
        self._recorder = recorder
        self._stop = threading.Event()
        self._failed = False
        self._done_at = -1  # requests stored when nothing was left: then no file is opened
        # A daemon: a disk that hangs must not keep the process alive. It has nothing to lose.
        self._thread = threading.Thread(target=self._run, name="indexer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_S):
            stored = self._recorder().stored
            if stored != self._done_at and self._catch_up():
                self._done_at = stored

    def _catch_up(self) -> bool:
        """Returns: whether nothing is left to do."""
        while not self._stop.is_set() and not self._is_busy():
            began = time.monotonic()
            rows = self._build()
            if not rows:
                return rows is not None
            self._stop.wait(_REST * (time.monotonic() - began))
        return False

    def _is_busy(self) -> bool:
        stats = self._recorder()
        return stats.pending >= _BUSY_PENDING or stats.state == "failed"

    def _build(self) -> int | None:
        """Returns: rows done; None when that failed."""
        try:
            rows = self._store.build_index()
        except Exception:  # a damaged file, a full disk: searching goes on without it
            if not self._failed:
                self._failed = True
                log.exception("the search index cannot be built; told once, trying on")
            return None
        self._failed = False
        return rows
