"""The child processes of one server: how their ends, and what they tell, are heard of at once.

Knows process ids and descriptors. Knows nothing of servers, requests or tapes.
"""

from __future__ import annotations

import os
import selectors
from collections.abc import Callable, Iterable

__all__ = ["Children"]

#: Seconds between looks at children whose ends cannot be heard of.
_LOOK_S = 0.05


class Children:
    """Hears of children through a descriptor for each (pidfd), where there is such a thing.

    Holds no list of who lives: that is the server's, and programs may change it.
    Thread: the one that forks.
    """

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._pidfds: dict[int, int] = {}  # pid -> descriptor

    def fileno(self) -> int | None:
        """Readable when there is something to hear; None where a selector has no descriptor."""
        fileno: Callable[[], int] | None = getattr(self._selector, "fileno", None)
        return fileno() if fileno is not None else None

    def add(self, pid: int) -> None:
        """A child that was just forked."""
        if not hasattr(os, "pidfd_open"):
            return
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return  # no descriptor is left, or somebody reaped it already: hear() looks itself
        self._pidfds[pid] = pidfd
        self._selector.register(pidfd, selectors.EVENT_READ, pid)

    def listen(self, fd: int, ready: Callable[[], None]) -> None:
        """Let hear() call `ready` whenever `fd` can be read or is hung up."""
        self._selector.register(fd, selectors.EVENT_READ, ready)

    def listen_no_more(self, fd: int) -> None:
        self._selector.unregister(fd)

    def hear(self, pids: Iterable[int], timeout_s: float | None) -> list[int]:
        """Wait at most so many seconds for something to hear (None: for ever), and call what is
        ready. Returns: those of `pids` that may have ended."""
        unseen = [pid for pid in pids if pid not in self._pidfds]
        if unseen:
            timeout_s = _LOOK_S if timeout_s is None else min(timeout_s, _LOOK_S)
        for key, _ in self._selector.select(timeout_s):
            if isinstance(key.data, int):
                unseen.append(key.data)
            else:
                key.data()
        return unseen

    def forget(self, pid: int) -> None:
        """Its end is known."""
        pidfd = self._pidfds.pop(pid, None)
        if pidfd is not None:
            self._selector.unregister(pidfd)
            os.close(pidfd)

    def close(self) -> None:
        """Also in a child, whose copies these are then: the parent's stay as they are."""
        self._selector.close()
        while self._pidfds:
            os.close(self._pidfds.popitem()[1])
