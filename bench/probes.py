"""What is done to one server, and what is read off it: a figure has one name everywhere.

`cpu_us` CPU µs of the server's processes per request, `rate` requests per second, `p50_us` and
`p99_us` of the wait for an answer, `busy` the share of its core that the server used, `kernel` the
share of that CPU that was the kernel's; `rss_mib` resident memory over what it was before; `held`
connections; `answered` the share of the asked that were; `slowest_s` the longest wait.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import statistics
import time
from typing import Protocol

from bench.loads import SILENCE_S, Churn, Datagrams, Load, Persistent, WrongAnswer, line, within
from bench.process import ServerProcess

Figures = dict[str, float]

#: Seconds that a round may take, whatever it does.
ROUND_S = 120


class Probe(Protocol):
    """Belongs to one server process."""

    def round(self, size: int) -> Figures: ...

    def close(self) -> None: ...


class _Paid:
    """A closed loop of requests, and what they cost."""

    load: type[Load]

    def __init__(self, server: ServerProcess, size: int) -> None:
        """A first round is not counted: caches, pools and interpreters warm up."""
        self._server = server
        self._load = self.load(server.port)
        with within(ROUND_S, "warming up"):
            self._load.round(max(1, size // 5))

    def round(self, size: int) -> Figures:
        with within(ROUND_S, "a round"):
            before, all_before, kernel_before = self._server.cpu_s(), *self._server.ticks()
            done = self._load.round(size)
            cpu_s = self._server.cpu_s() - before
            all_after, kernel_after = self._server.ticks()
        waits = sorted(done.waits)
        return {
            "cpu_us": cpu_s / size * 1e6,
            "kernel": (kernel_after - kernel_before) / max(1, all_after - all_before),
            "rate": size / done.elapsed_s,
            "p50_us": statistics.median(waits) * 1e6,
            "p99_us": waits[min(len(waits) - 1, len(waits) * 99 // 100)] * 1e6,
            "busy": cpu_s / done.elapsed_s,
        }

    def close(self) -> None:
        self._load.close()


class Churning(_Paid):
    load = Churn


class Staying(_Paid):
    load = Persistent


class Sending(_Paid):
    load = Datagrams


class Idling:
    """Connections that say nothing; then some of them do, to see that they are served."""

    STEP = 200  # connected at a time: less than the backlog
    PER_ADDRESS = 5000  # of our side, so that ports do not run out
    ASKED = 100
    UNHEARD_S = 2.0  # without an answer from any until they are given up

    def __init__(self, server: ServerProcess, _size: int) -> None:
        self._server = server
        self._idle: list[socket.socket] = []
        with socket.create_connection(("127.0.0.1", server.port), SILENCE_S) as warm:
            _ask(warm, 0)
            warm.shutdown(socket.SHUT_WR)
            while warm.recv(64):
                pass

    def round(self, size: int) -> Figures:
        before = self._settled_sockets()  # the one that warmed it up is gone
        rss = self._server.rss_mib()
        with within(ROUND_S, "connecting"):
            while len(self._idle) < size:
                self._connect(min(self.STEP, size - len(self._idle)))
                if not self._taken(before):
                    break
        # A server may have opened sockets for itself too.
        held = min(size, self._server.sockets() - before)
        grown = self._settled_rss_mib() - rss
        return {"rss_mib": grown, "held": held, "answered": self._answered()}

    def _connect(self, count: int) -> None:
        for number in range(len(self._idle), len(self._idle) + count):
            source = (f"127.0.0.{1 + number // self.PER_ADDRESS}", 0)
            address = ("127.0.0.1", self._server.port)
            self._idle.append(socket.create_connection(address, SILENCE_S, source))

    def _taken(self, before: int) -> bool:
        """Wait for the server to have accepted all. Returns: False when it takes no more."""
        last, until = 0, time.monotonic() + 2
        while time.monotonic() < until:
            now = self._server.sockets() - before
            if now >= len(self._idle):
                return True
            if now > last:
                last, until = now, time.monotonic() + 2
            time.sleep(0.005)
        return False

    def _settled_sockets(self) -> int:
        last, now = -1, self._server.sockets()
        until = time.monotonic() + SILENCE_S
        while now != last and time.monotonic() < until:
            time.sleep(0.25)
            last, now = now, self._server.sockets()
        return now

    def _settled_rss_mib(self) -> float:
        """Once it grows no more: threads start later than connections are accepted."""
        last, now = 0.0, self._server.rss_mib()
        until = time.monotonic() + SILENCE_S
        while now > last and time.monotonic() < until:
            time.sleep(0.25)
            last, now = now, self._server.rss_mib()
        return now

    def _answered(self) -> float:
        """Returns: the share that answers, of connections spread over all of them."""
        asked = self._idle[:: max(1, len(self._idle) // self.ASKED)]
        right = 0
        with selectors.DefaultSelector() as selector:
            for client, sock in enumerate(asked):
                with contextlib.suppress(OSError):  # was refused
                    sock.send(line(client))
                    selector.register(sock, selectors.EVENT_READ, client)
            while events := selector.select(self.UNHEARD_S) if selector.get_map() else []:
                for key, _ in events:
                    selector.unregister(key.fileobj)
                    right += _answers(key)
        return right / len(asked)

    def close(self) -> None:
        """The server first, so that it hears of no connection that breaks off."""
        self._server.end()
        for sock in self._idle:
            sock.close()


class Bursting:
    """Connects, all at once, while the server stands still."""

    STALL_S = 0.2
    LATEST_S = 12.0  # what is not answered by then is given up

    def __init__(self, server: ServerProcess, _size: int) -> None:
        self._server = server

    def round(self, size: int) -> Figures:
        with selectors.DefaultSelector() as selector:
            with self._server.stalled(self.STALL_S):
                began = time.perf_counter()
                for client in range(size):
                    sock = socket.socket()
                    sock.setblocking(False)
                    sock.connect_ex(("127.0.0.1", self._server.port))
                    selector.register(sock, selectors.EVENT_WRITE, client)
            answered = self._answered(selector, began + self.LATEST_S)
            slowest_s = time.perf_counter() - began
            for key in list(selector.get_map().values()):
                _socket(key).close()
        return {"slowest_s": slowest_s, "answered": answered / size}

    def _answered(self, selector: selectors.BaseSelector, until: float) -> int:
        """Returns: how many had their answer by then; the others stay in the selector."""
        answered = 0
        while selector.get_map() and (left_s := until - time.perf_counter()) > 0:
            answered += sum(self._step(selector, key) for key, _ in selector.select(left_s))
        return answered

    def _step(self, selector: selectors.BaseSelector, key: selectors.SelectorKey) -> bool:
        """Returns: whether this client has its answer."""
        sock, client = _socket(key), key.data
        if key.events == selectors.EVENT_WRITE:
            sock.send(line(client))
            selector.modify(sock, selectors.EVENT_READ, client)
            return False
        selector.unregister(sock)
        _expect(sock, client)
        sock.close()
        return True

    def close(self) -> None:
        """Every round has closed its own."""


def _ask(sock: socket.socket, client: int) -> None:
    sock.send(line(client))
    _expect(sock, client)


def _socket(key: selectors.SelectorKey) -> socket.socket:
    assert isinstance(key.fileobj, socket.socket)
    return key.fileobj


def _answers(key: selectors.SelectorKey) -> bool:
    """Returns: False when the server has closed this one."""
    try:
        answer = _socket(key).recv(64)
    except ConnectionError:
        return False
    if answer and answer != line(key.data):
        raise WrongAnswer(f"{answer!r} instead of {line(key.data)!r}")
    return bool(answer)


def _expect(sock: socket.socket, client: int) -> None:
    answer = sock.recv(64)
    if answer != line(client):
        raise WrongAnswer(f"{answer!r} instead of {line(client)!r}")
