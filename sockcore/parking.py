"""Connections that have said nothing yet, kept where silence costs kilobytes and no thread.

Knows sockets by descriptor. Knows nothing of servers or threads.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Callable
from typing import Any

__all__ = ["ParkingLot", "is_silent"]

_PEEK = socket.MSG_PEEK | getattr(socket, "MSG_DONTWAIT", 0)


def is_silent(request: socket.socket) -> bool:
    """Whether nothing has come from the peer so far, neither bytes nor an end."""
    if request.gettimeout():  # Python waits for it, whatever the flags
        return not _is_ready(request)
    try:
        # The plain recv(): TLS has one of its own, and an observed one would count.
        socket.SocketType.recv(request, 1, _PEEK)
    except BlockingIOError:
        return True
    except OSError:
        return False  # broken off: its handler shall see
    return False


def _is_ready(request: socket.socket) -> bool:
    poll = select.poll()
    poll.register(request, select.POLLIN)
    return bool(poll.poll(0))


class ParkingLot:
    """Waits for the first bytes of many connections at once.

    Thread: `park` any; the rest the one that waits for `fileno()`.
    """

    def __init__(self, spoke: Callable[[Any, Any], None]) -> None:
        """`spoke(request, client_address)` is called when there are bytes, or an end."""
        self._poll = select.epoll()
        self._spoke = spoke
        # By descriptor, the longest parked first: (request, client_address, monotonic seconds).
        self._parked: dict[int, tuple[Any, Any, float]] = {}

    def __len__(self) -> int:
        return len(self._parked)

    def fileno(self) -> int:
        return self._poll.fileno()

    def park(self, request: Any, client_address: Any) -> None:
        fd = request.fileno()
        self._parked[fd] = (request, client_address, time.monotonic())
        self._poll.register(fd, select.EPOLLIN | select.EPOLLRDHUP)

    def ready(self) -> None:
        """Let go of those that have spoken."""
        for fd, _ in self._poll.poll(0):
            self._spoke(*self._let_go(fd))

    def take_patient(self, waited_s: float, most: int | None = None) -> list[tuple[Any, Any]]:
        """Returns: (request, client_address) of those silent for `waited_s` seconds, which are no
        longer parked; at most `most`, the longest parked first."""
        parked_before = time.monotonic() - waited_s
        patient: list[tuple[Any, Any]] = []
        for fd, (_, _, parked_at) in list(self._parked.items()):
            if parked_at > parked_before or (most is not None and len(patient) >= most):
                break
            patient.append(self._let_go(fd))
        return patient

    def _let_go(self, fd: int) -> tuple[Any, Any]:
        request, client_address, _ = self._parked.pop(fd)
        self._poll.unregister(fd)
        return request, client_address

    def close(self) -> list[Any]:
        """Returns: the requests that were still parked."""
        self._poll.close()
        left = [request for request, _, _ in self._parked.values()]
        self._parked.clear()
        return left
