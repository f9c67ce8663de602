"""The child processes of one server: how their ends, and what they tell, are heard of at once.

Knows process ids and descriptors. Knows nothing of servers, requests or tapes.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable
from typing import Any

__all__ = ["Children"]

#: Seconds between looks at children whose ends cannot be heard of.
_LOOK_S = 0.05


class Children:
    """Hears of children through a descriptor for each (pidfd), where there is such a thing.

    Holds no list of who lives: that is the server's, and programs may change it.
    Thread: the one that forks.
    """

    def __init__(self) -> None:
        # Itself a descriptor, so that a loop waits for all of them by one; poll() is none.
        self._has_descriptor = hasattr(select, "epoll")
        self._poll: Any = select.epoll() if self._has_descriptor else select.poll()
        self._pidfds: dict[int, int] = {}  # by process id
        self._pids: dict[int, int] = {}  # by pidfd
        self._ready: dict[int, Callable[[], None]] = {}  # by descriptor

    def fileno(self) -> int | None:
        """Readable when there is something to hear; None where there is no such descriptor."""
        fileno: int | None = self._poll.fileno() if self._has_descriptor else None
        return fileno

    def add(self, pid: int) -> None:
        """A child that was just forked."""
        if not hasattr(os, "pidfd_open"):
            return
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return  # no descriptor is left, or somebody reaped it already: hear() looks itself
        self._pidfds[pid] = pidfd
        self._pids[pidfd] = pid
        self._poll.register(pidfd, select.POLLIN)

    def listen(self, fd: int, ready: Callable[[], None]) -> None:
        """Let hear() call `ready` whenever `fd` can be read or is hung up."""
        self._ready[fd] = ready
        self._poll.register(fd, select.POLLIN)

    def listen_no_more(self, fd: int) -> None:
        if self._ready.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def hear(self, pids: set[int], timeout_s: float | None) -> list[int]:
        """Wait at most so many seconds for something to hear (None: for ever), and call what is
        ready. Returns: the processes that may have ended."""
        ended: list[int] = []
        if not pids <= self._pidfds.keys():
            ended = [pid for pid in pids if pid not in self._pidfds]
            timeout_s = _LOOK_S if timeout_s is None else min(timeout_s, _LOOK_S)
        if timeout_s is not None and not self._has_descriptor:
            timeout_s *= 1000  # poll() counts milliseconds
        for fd, _ in self._poll.poll(timeout_s):
            if fd in self._pids:
                ended.append(self._pids[fd])
            elif fd in self._ready:  # not by one called just now no more
                self._ready[fd]()
        return ended

    def forget(self, pid: int) -> None:
        """Its end is known."""
        pidfd = self._pidfds.pop(pid, None)
        if pidfd is not None:
            del self._pids[pidfd]
            self._poll.unregister(pidfd)
            os.close(pidfd)

    def close(self) -> None:
        """Also in a child, whose copies these are then: the parent's stay as they are."""
        if self._has_descriptor:
            self._poll.close()
        for pidfd in self._pids:
            os.close(pidfd)
        self._pids.clear()
        self._pidfds.clear()
