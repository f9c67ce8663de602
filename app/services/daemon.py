"""A thread that looks after something until it is asked to stop."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod


class Daemon(ABC):
    """A daemon: a disk that hangs must not keep the process alive. It has nothing to lose.

    Thread: `start` and `stop` any, once each.
    """

    def __init__(self, name: str) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        self._stop.set()
        self._rouse()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def _rouse(self) -> None:  # noqa: B027  # most wait for nothing else
        """End a wait for something else than `_stop`, now that it is set."""

    @abstractmethod
    def _run(self) -> None:
        """Until `_stop` is set."""
