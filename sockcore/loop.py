"""Small parts of the serve loop: what wakes it, its life, and how it fares when accept() fails."""

from __future__ import annotations

import contextlib
import errno
import socket
import threading
import time

__all__ = ["ACCEPT_STARVED", "AcceptTrouble", "LoopLife", "Waker"]

#: accept() fails with these for want of something that may come back: descriptors or memory.
#: The listener stays readable meanwhile, so trying again at once would spin.
ACCEPT_STARVED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})

#: Seconds between tries then: doubled from the first to the last, as Go's net/http does.
_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.005, 0.5


class Waker:
    """Ends a select() from another thread, by descriptor. A socket pair, since Windows can
    select nothing else."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        # Guards the writer against being closed while used; reentrant, since a signal handler
        # may wake us amid that.
        self._lock = threading.RLock()

    def fileno(self) -> int:
        return self._reader.fileno()

    def wake(self) -> None:
        with self._lock:
            if self._writer.fileno() >= 0:
                self._writer.setblocking(False)
                with contextlib.suppress(BlockingIOError):  # woken often enough already
                    self._writer.send(b"\0")

    def wait(self, timeout_s: float) -> None:
        self._reader.settimeout(timeout_s)
        try:
            self._reader.recv(1, socket.MSG_PEEK)
        except TimeoutError:
            return

    def close(self) -> None:
        with self._lock:
            self._reader.close()
            self._writer.close()


class LoopLife:
    """Of a loop in a thread: it may begin once its start is told; it has left when it is over."""

    def __init__(self) -> None:
        self.may_begin = threading.Event()
        self.has_left = threading.Event()


class AcceptTrouble:
    """How accept() is failing: how often, how long to wait before the next try, since when not.

    Descriptors that come and go one by one make accept() work and fail in turn. That is one
    trouble: it is over once nothing has failed for `QUIET_S`, so that it is told of once.
    """

    QUIET_S = 1.0

    def __init__(self) -> None:
        self.failures = 0
        self.error = ""
        self._works = False  # the latest try did
        self._pause_s = 0.0
        self._failed_at = 0.0  # monotonic seconds
        self._retry_at: float | None = None  # the same; None: the next try is due

    def failed(self, error: OSError) -> bool:
        """Returns: True when this is the first of a row."""
        self.failures += 1
        self.error = f"accept: {error.strerror or error}"
        self._works = False
        self._pause_s = min(_LAST_PAUSE_S, self._pause_s * 2 or _FIRST_PAUSE_S)
        self._failed_at = time.monotonic()
        self._retry_at = self._failed_at + self._pause_s
        return self.failures == 1

    def worked(self) -> None:
        """accept() gave one: the next failure is waited after but shortly."""
        self._works = True
        self._pause_s = 0.0

    @property
    def is_over(self) -> bool:
        return self._works and time.monotonic() - self._failed_at >= self.QUIET_S

    @property
    def is_waiting(self) -> bool:
        return self._retry_at is not None

    def may_try(self, waker: Waker, most_s: float | None) -> bool:
        """Wait until the next try is due, at most `most_s` seconds, or until woken.

        Returns: whether it is due.
        """
        assert self._retry_at is not None
        left = self._retry_at - time.monotonic()
        if left > 0:
            waker.wait(left if most_s is None else min(left, most_s))
        if time.monotonic() < self._retry_at:
            return False
        self._retry_at = None
        return True
