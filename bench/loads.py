"""The load: closed loops of clients with lines of 32 bytes, bounded in number and in time.

A load belongs to one server and is made for all of its rounds; a round answers with how long it
took and how long each answer was waited for. A wrong answer ends the run.
"""

from __future__ import annotations

import itertools
import select
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from types import FrameType

LINE_SIZE = 32
#: Clients with a request under way at one time; for connections that stay, how many there are.
UNDER_WAY, CONNECTIONS = 8, 50
#: Addresses that connections come from: of one alone the ports of those that are over, which stay
#: taken for a while, soon make connect() the slowest part of it all.
HOSTS = 32
_IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h: the port is chosen by connect()
#: Seconds without any answer until the server is taken for dead.
SILENCE_S = 10


class WrongAnswer(Exception):
    """A server sent back what it was not sent."""


@dataclass(frozen=True, slots=True)
class Round:
    """`waits`: of each request, seconds from its first packet to the last byte of its answer."""

    elapsed_s: float
    waits: list[float]


def line(client: int) -> bytes:
    """What this client says: so that an answer that went to another is seen."""
    return b"%031d\n" % client


class Churn:
    """A connection a request: connect, a line, its answer, end of writing, end of reading."""

    def __init__(self, port: int) -> None:
        self._address = ("127.0.0.1", port)
        self._hosts = itertools.cycle(f"127.0.0.{number}" for number in range(1, 1 + HOSTS))

    def round(self, requests: int) -> Round:
        started = perf_counter()
        waits: list[float] = []
        with select.epoll() as epoll:
            open_ = {}
            for client in range(min(UNDER_WAY, requests)):
                sock, began = self._connect(epoll, client)
                open_[sock.fileno()] = (sock, client, began)
            opened = len(open_)
            while open_:
                for fd in _ready(epoll):
                    sock, client, began = open_[fd]
                    if began:
                        waits.append(_expect(sock, client) - began)
                        sock.shutdown(socket.SHUT_WR)
                        open_[fd] = (sock, client, 0.0)  # its end is waited for
                        continue
                    _expect_end(sock)
                    del open_[fd]
                    if opened < requests:
                        opened += 1
                        sock, began = self._connect(epoll, client)
                        open_[sock.fileno()] = (sock, client, began)
        return Round(perf_counter() - started, waits)

    def _connect(self, epoll: select.epoll, client: int) -> tuple[socket.socket, float]:
        began = perf_counter()
        sock = socket.socket()
        sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
        sock.bind((next(self._hosts), 0))
        sock.connect(self._address)
        sock.send(line(client))
        epoll.register(sock, select.EPOLLIN)
        return sock, began

    def close(self) -> None:
        """Every round has closed its own."""


class Persistent:
    """Clients that stay, each with one line under way."""

    kind, clients = socket.SOCK_STREAM, CONNECTIONS

    def __init__(self, port: int) -> None:
        self._sockets = [socket.socket(type=self.kind) for _ in range(self.clients)]
        for sock in self._sockets:
            sock.connect(("127.0.0.1", port))

    def round(self, requests: int) -> Round:
        started = perf_counter()
        waits: list[float] = []
        began: dict[int, float] = {}
        by_fd = {sock.fileno(): (sock, n) for n, sock in enumerate(self._sockets[:requests])}
        with select.epoll() as epoll:
            for fd, (sock, client) in by_fd.items():
                epoll.register(fd, select.EPOLLIN)
                began[fd] = perf_counter()
                sock.send(line(client))
            left = requests - len(by_fd)  # to be sent yet
            while len(waits) < requests:
                for fd in _ready(epoll):
                    sock, client = by_fd[fd]
                    now = _expect(sock, client)
                    waits.append(now - began[fd])
                    if left:
                        left -= 1
                        began[fd] = now
                        sock.send(line(client))
        return Round(perf_counter() - started, waits)

    def close(self) -> None:
        for sock in self._sockets:
            sock.close()


class Datagrams(Persistent):
    """Sockets that stay, each with one datagram under way."""

    kind, clients = socket.SOCK_DGRAM, UNDER_WAY


Load = Churn | Persistent


def _ready(epoll: select.epoll) -> list[int]:
    events = epoll.poll(SILENCE_S)
    if not events:
        raise TimeoutError(f"no answer for {SILENCE_S} s")
    return [fd for fd, _ in events]


def _expect(sock: socket.socket, client: int) -> float:
    """Returns: when the answer was here."""
    answer = sock.recv(64)
    while len(answer) < LINE_SIZE and answer:
        more = sock.recv(64)
        if not more:
            break
        answer += more
    now = perf_counter()
    if answer != line(client):
        raise WrongAnswer(f"{answer!r} instead of {line(client)!r}")
    return now


def _expect_end(sock: socket.socket) -> None:
    more = sock.recv(64)
    if more:
        raise WrongAnswer(f"{more!r} after the answer")
    sock.close()


@contextmanager
def within(seconds: int, what: str) -> Iterator[None]:
    """Bound the body, whichever call it stands in. Thread: the main one."""

    def late(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"{what}: not done within {seconds} s")

    before: Callable[[int, FrameType | None], object] | int | None = signal.signal(
        signal.SIGALRM, late
    )
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
