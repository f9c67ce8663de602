"""Small parts of the serve loop: what it waits for, what wakes it, its life, and how it fares
when accept() fails. Knows descriptors and clocks. Knows nothing of requests.
"""

from __future__ import annotations

import contextlib
import errno
import math
import select
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

__all__ = [
    "ACCEPT_STARVED",
    "AcceptTrouble",
    "Loop",
    "LoopLife",
    "SharedWait",
    "SharedWaitByPoll",
    "Waker",
]

#: accept() fails with these for want of something that may come back: descriptors or memory.
#: The listener stays readable meanwhile, so trying again at once would spin.
ACCEPT_STARVED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

#: Seconds between tries then: doubled from the first to the last, as Go's net/http does.
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.005, 0.5

Ready = Callable[[], None]


class Waker:
    """Ends a wait from another thread, by descriptor. A socket pair, since Windows can select
    nothing else."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        # Guards the writer against being closed while used; reentrant, since a signal handler
        # may wake us amid that.
        self._lock = threading.RLock()

    def fileno(self) -> int:
        return self._reader.fileno()

    def wake(self) -> None:
        with self._lock:
            if self._writer.fileno() >= 0:
                with contextlib.suppress(BlockingIOError):  # woken often enough already
                    self._writer.send(b"\0")

    def hear(self) -> None:
        """Have heard all of it so far."""
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(4096)

    def hear_one(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._reader.recv(1)

    def close(self) -> None:
        with self._lock:
            self.close_copy()

    def close_copy(self) -> None:
        """In a forked child: the lock may be held by a thread that is not there."""
        _close(self._reader)
        _close(self._writer)


class _SelectPoll:
    """poll() by select(), where there is no poll()."""

    def __init__(self) -> None:
        self._selector = selectors.SelectSelector()

    def register(self, fd: Any, _events: int) -> None:
        self._selector.register(fd, selectors.EVENT_READ)

    def unregister(self, fd: Any) -> None:
        self._selector.unregister(fd)

    def poll(self, timeout_ms: int | None) -> list[tuple[int, int]]:
        timeout_s = None if timeout_ms is None else timeout_ms / 1000
        return [(key.fd, 1) for key, _ in self._selector.select(timeout_s)]


_READ = getattr(select, "POLLIN", 1)
_GONE = getattr(select, "POLLNVAL", 0)
_LOST = -1
_close = socket.SocketType.close


class Loop:
    """What a serving thread waits for: its listener, a waker, and whatever else was asked for.

    Thread: the serving one; `wake` and `call_soon` any.
    """

    def __init__(self, listener: Any, others: dict[int, Ready]) -> None:
        """`listener` has a fileno(); `others` maps a descriptor to what to call when it can be
        read, and may change while we wait."""
        # Looked up here, so that gevent's and the like are found.
        self._poll = select.poll() if hasattr(select, "poll") else _SelectPoll()
        self._listener: int = listener.fileno()
        self._poll.register(self._listener, _READ)
        self._looking = True  # at the listener
        self._others = others
        self._waker = Waker()
        self._interval: float | None = None
        self._interval_ms: int | None = None
        self._poll.register(self._waker, _READ)
        for fd in others:
            self._poll.register(fd, _READ)

    def wait(self, interval_s: float | None, accepting: bool) -> bool:
        """Wait at most `interval_s` seconds and call what is ready but the listener.

        Returns: whether that is ready too; never when not `accepting`.
        """
        if accepting is not self._looking:
            self._look(accepting)
        if interval_s != self._interval:
            self._interval = interval_s
            self._interval_ms = None if interval_s is None else max(0, math.ceil(interval_s * 1e3))
        ready = False
        for fd, events in self._poll.poll(self._interval_ms):
            if fd == self._listener:
                ready = not events & _GONE or self._lost()
            elif fd in self._others:
                self._others[fd]()
            elif fd == self._waker.fileno():
                self._waker.hear()
        return ready

    def _look(self, accepting: bool) -> None:
        self._looking = accepting
        if self._listener == _LOST:
            return
        if accepting:
            self._poll.register(self._listener, _READ)
        else:
            self._poll.unregister(self._listener)

    def _lost(self) -> bool:
        """Somebody closed the listener under us: its number may become another file's."""
        self._poll.unregister(self._listener)
        self._listener = _LOST
        return False

    def add(self, fd: int) -> None:
        self._poll.register(fd, _READ)

    def discard(self, fd: int) -> None:
        self._poll.unregister(fd)

    def wake(self) -> None:
        self._waker.wake()

    def close(self) -> None:
        self._waker.close()

    def close_copy(self) -> None:
        """In a forked child: the parent's stays as it is."""
        self._waker.close_copy()


class SharedWait:
    """What one of several threads waits for; of those that wait for it, the kernel wakes one."""

    longest_s = 4.0

    def __init__(self, tickets: int, stop: int, listener: int | None) -> None:
        self._poll = poll = select.epoll()
        one = select.EPOLLIN | select.EPOLLEXCLUSIVE
        poll.register(stop, select.EPOLLIN)
        poll.register(tickets, one)
        if listener is not None:
            poll.register(listener, one)

    def poll(self) -> list[tuple[int, int]]:
        """Returns: (descriptor, events) of what is ready; empty after `self.longest_s`."""
        return self._poll.poll(self.longest_s)

    def close(self) -> None:
        self._poll.close()


class SharedWaitByPoll(SharedWait):
    """Where there is no epoll: all wake and one finds something, which is right but dearer."""

    def __init__(self, tickets: int, stop: int, listener: int | None) -> None:
        self._poller = select.poll()
        for fd in (stop, tickets) if listener is None else (stop, tickets, listener):
            self._poller.register(fd, select.POLLIN)

    def poll(self) -> list[tuple[int, int]]:
        return self._poller.poll(self.longest_s * 1000)

    def close(self) -> None:
        """poll() holds no descriptor."""


class LoopLife:
    """Of a loop in a thread: it may begin once its start is told; it has left when it is over."""

    def __init__(self) -> None:
        self.may_begin = threading.Event()
        self.has_left = threading.Event()


class AcceptTrouble:
    """How accept() is failing: how often, how long to wait before the next try, since when not.

    Descriptors that come and go one by one make accept() work and fail in turn. That is one
    trouble: it is over once nothing has failed for `QUIET_S` since the next try was due, so that
    it is told of once.
    """

    QUIET_S = 1.0

    def __init__(self) -> None:
        self.failures = 0
        self.error = ""
        self._pause_s = 0.0
        self._retry_at = 0.0  # monotonic seconds

    def failed(self, error: OSError) -> bool:
        """Returns: True when this is the first of a row."""
        self.failures += 1
        self.error = f"accept: {error.strerror or error}"
        self._pause_s = min(_LAST_PAUSE_S, self._pause_s * 2 or _FIRST_PAUSE_S)
        self._retry_at = time.monotonic() + self._pause_s
        return self.failures == 1

    def worked(self) -> None:
        """accept() gave one: the next failure is waited after but shortly."""
        self._pause_s = 0.0

    @property
    def is_over(self) -> bool:
        """Also when nobody is there any more to try it with: the alarm must not stay."""
        return time.monotonic() - self._retry_at >= self.QUIET_S

    @property
    def pause_s(self) -> float:
        """Seconds until the next try is due; 0 when it is."""
        return max(0.0, self._retry_at - time.monotonic())
