"""A program: many stream clients in one process, that do next to nothing. Run by a test.

Knows addresses. Knows nothing of what it is connected to.
"""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from contextlib import ExitStack
from typing import Any

from tests.promises.remote import Orders, allow_all_descriptors
from tests.waiting import DEADLINE_S

#: Clients of one source address, of which there are as many as it takes: ports run out.
_PER_SOURCE = 8000

#: SO_LINGER: on, and nothing is waited for.
_AT_ONCE = struct.pack("ii", 1, 0)

#: So many leave at one moment, and how many seconds later the next do.
_LEAVING_AT_ONCE = 100
_BETWEEN_LEAVING_S = 0.02


class Crowd:
    """What is done for each order."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._poll = select.epoll()
        self._clients: dict[int, socket.socket] = {}
        self._began_at: dict[int, float] = {}  # monotonic seconds
        self._ended_after: list[float] = []  # seconds
        self._made = 0

    def connect(self, address: Any, count: int, say: str = "") -> int:
        """So many more of them, each of which says `say`. Returns: how many there are."""
        for _ in range(count):
            client = self._client(address)
            if say:
                client.sendall(say.encode())
            fd = client.fileno()
            self._clients[fd], self._began_at[fd] = client, time.monotonic()
            self._poll.register(fd, select.EPOLLIN)
        return len(self._clients)

    def _client(self, address: Any) -> socket.socket:
        local = isinstance(address, str)
        client = socket.socket(socket.AF_UNIX if local else socket.AF_INET)
        client.settimeout(DEADLINE_S)
        if not local:
            client.bind((f"127.0.0.{2 + self._made // _PER_SOURCE % 200}", 0))
        self._made += 1
        client.connect(address if local else tuple(address))
        return client

    def churn(self, address: Any, count: int) -> None:
        """So many of them one after another: ask, hear the answer, go."""
        for _ in range(count):
            with self._client(address) as client:
                client.sendall(b"one line\n")
                assert client.recv(99) == b"one line\n"
                client.shutdown(socket.SHUT_WR)
                assert client.recv(1) == b""
                # No port stays taken by a closed connection: there are not so many.
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)

    def talk(self, address: Any, clients: int, rounds: int) -> None:
        """So many of them at one time, each of which says a line in each round."""
        with ExitStack() as stack:
            talking = [stack.enter_context(self._client(address)) for _ in range(clients)]
            for _ in range(rounds):
                for client in talking:
                    client.sendall(b"one line\n")
                for client in talking:
                    assert client.recv(99) == b"one line\n"

    def wait(self, timeout_s: float, ends: int) -> list[float]:
        """Wait until so many were ended by the server, at most so many seconds.

        Returns: after how many seconds each was.
        """
        deadline = time.monotonic() + timeout_s
        while len(self._ended_after) < ends:
            left = deadline - time.monotonic()
            if left <= 0:
                break
            for fd, _ in self._poll.poll(left):
                self._look_at(fd)
        return self._ended_after

    def _look_at(self, fd: int) -> None:
        try:
            if self._clients[fd].recv(65536):
                return
        except ConnectionResetError:
            pass  # an end as well
        self._ended_after.append(time.monotonic() - self._began_at.pop(fd))
        self._poll.unregister(fd)
        self._clients.pop(fd).close()

    def say(self, text: str) -> None:
        for client in self._clients.values():
            client.sendall(text.encode())

    def leave(self) -> None:
        """All of them, but not all in one moment: they are not one client."""
        pause = threading.Event()
        for number, (fd, client) in enumerate(self._clients.items(), 1):
            self._poll.unregister(fd)
            client.close()
            if number % _LEAVING_AT_ONCE == 0:
                pause.wait(_BETWEEN_LEAVING_S)
        self._clients.clear()
        self._began_at.clear()

    def run(self) -> None:
        self._orders.say(None)
        while (order := self._orders.next()) is not None:
            self._orders.say(getattr(self, order.pop("do"))(**order))


if __name__ == "__main__":
    allow_all_descriptors()
    Crowd(Orders()).run()
