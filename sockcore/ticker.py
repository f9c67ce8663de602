"""The ticker: one daemon thread for all background servers, while there are any.

Knows observers, and that they want tick() a few times a second.
"""

from __future__ import annotations

import logging
import threading

from sockcore.observer import Observer

__all__ = ["ticker"]

log = logging.getLogger("sockcore")

_INTERVAL_S = 0.1


class _Ticker:
    def __init__(self) -> None:
        self._changed = threading.Condition()  # guards both fields
        self._observers: set[Observer] = set()
        self._thread: threading.Thread | None = None

    def add(self, observer: Observer) -> None:
        """Raises: RuntimeError, having changed nothing, when there can be no more threads."""
        with self._changed:
            if self._thread is None:
                thread = threading.Thread(target=self._run, name="sockcore-ticker", daemon=True)
                thread.start()
                self._thread = thread
            self._observers.add(observer)

    def remove(self, observer: Observer) -> None:
        """All that happened to it is told by then. The thread ends with the last one."""
        with self._changed:
            self._observers.discard(observer)
            self._changed.notify_all()
        observer.tick_no_more()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: not self._observers, _INTERVAL_S)
                if not self._observers:
                    self._thread = None
                    return
                due = list(self._observers)
            for observer in due:
                try:
                    observer.tick()
                except Exception:
                    log.exception("%s: tick failed", observer.server)


ticker = _Ticker()
