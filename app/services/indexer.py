"""Keeps the search index of the log up to date: one thread, when nobody else needs the time.

Knows a store that can do a bit more, and whether the recorder is busy. Knows nothing of SQL.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from app.log_facts import LogStats
from app.services.daemon import Daemon
from app.store.requests import RequestStore

log = logging.getLogger("app.indexer")

#: Seconds between two looks at what there is to do.
_LOOK_S: Final = 1.0

#: Of the time it takes, how much it leaves to others before it goes on: a fifth of one core.
_REST: Final = 4.0

#: Requests a second: what indexing takes of a core is then better spent on answering.
_BUSY_RATE: Final = 5_000


class Indexer(Daemon):
    """What is done bit by bit. Thread: see `Daemon`."""

    def __init__(self, store: RequestStore, recorder: Callable[[], LogStats]) -> None:
        super().__init__("indexer")
        self._store = store
        self._recorder = recorder
        self._failed = False
        self._seen = (float("-inf"), 0)  # monotonic seconds, requests received by then
        self._is_flood = False
        self._done_at = -1  # requests stored when nothing was left: then no file is opened

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
        now, (then, received) = time.monotonic(), self._seen
        if now - then >= _LOOK_S:
            self._is_flood = stats.received - received > _BUSY_RATE * (now - then)
            self._seen = (now, stats.received)
        return self._is_flood or stats.is_pressed or stats.state == "failed"

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
