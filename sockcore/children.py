"""The child processes of one server: how their ends, and what they tell, are heard of at once.

Knows process ids and descriptors. Knows nothing of servers, requests or tapes.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable

__all__ = ["Children"]

#: Seconds between looks at children whose ends cannot be heard of.
_LOOK_S = 0.05


class Children:
    """Hears of children through a descriptor for each (pidfd), where there is such a thing.

    Holds no list of who lives: that is the server's, and programs may change it.
    Thread: the one that forks.
    """

    def __init__(self) -> None:
        self._epoll = select.epoll() if hasattr(select, "epoll") else None
        self._pids: dict[int, int] = {}  # by pidfd
        self._pidfds: dict[int, int] = {}  # by pid
        self._ready: dict[int, Callable[[], None]] = {}  # by descriptor

    def fileno(self) -> int | None:
        """Readable when there is something to hear; None where such a thing cannot be."""
        return self._epoll.fileno() if self._epoll is not None else None

    def add(self, pid: int) -> None:
        """A child that was just forked."""
        if self._epoll is None or not hasattr(os, "pidfd_open"):
            return
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return  # no descriptor is left, or somebody reaped it already: hear() looks itself
        self._pids[pidfd] = pid
        self._pidfds[pid] = pidfd
        self._epoll.register(pidfd, select.EPOLLIN)

    def hear(self, pids: set[int], timeout_s: float | None) -> list[int]:
        """Wait at most so many seconds for one of them to end (None: for ever).

        Returns: those that may have ended.
        """
        found: list[int] = []
        if not pids <= self._pidfds.keys():
            found = [pid for pid in pids if pid not in self._pidfds]
            timeout_s = _LOOK_S if timeout_s is None else min(timeout_s, _LOOK_S)
        for fd, _ in self._epoll.poll(timeout_s):
            found.append(self._pids[fd])
        return found

    def forget(self, pid: int) -> None:
        """Its end is known."""
        pidfd = self._pidfds.pop(pid, None)
        if pidfd is not None:
            del self._pids[pidfd]
            self._epoll.unregister(pidfd)
            os.close(pidfd)

    def close(self) -> None:
        """Also in a child, whose copies these are then: the parent's stay as they are."""
        self._epoll.close()
        for fd in self._pids:
            os.close(fd)
