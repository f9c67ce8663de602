"""`python -m bench.log.load PORT RATE SECONDS`: so many connections a second, whatever it gets.

Each says `live-<number>` in 32 bytes and is done; its answer is compared. Ends by itself, or by
SIGTERM, and prints what was said when and how long each answer was waited for, as JSON. In a
process of its own: whoever measures meanwhile does not disturb it.
"""

from __future__ import annotations

import json
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench.loads import LINE_SIZE, SILENCE_S, WrongAnswer

#: At most so many under way, less than the server's backlog: beyond that those that are due
#: wait, and the waits say so.
_MOST = 300


@dataclass(frozen=True, slots=True)
class Said:
    """`at`: by number, Unix seconds at which the last byte was sent. `waits`: those at which an
    answer was whole, and how long it was waited for, from when its request was due."""

    at: dict[int, float] = field(default_factory=dict)
    waits: list[tuple[float, float]] = field(default_factory=list)

    def between(self, since: float, until: float) -> list[float]:
        return [wait for at, wait in self.waits if since <= at < until]


def line(number: int) -> bytes:
    return b"live-%026d\n" % number


class Paced:
    """An open loop: what is due is sent, also while others are not answered."""

    def __init__(self, port: int, rate: float) -> None:
        self._address, self._rate = ("127.0.0.1", port), rate
        self._epoll = select.epoll()  # closed by `run`
        self._open: dict[int, tuple[socket.socket, int, float, bytes]] = {}
        self._over = False
        self.said = Said()

    def end(self, *_: object) -> None:
        self._over = True

    def run(self, seconds: float) -> None:
        """Raises: WrongAnswer, TimeoutError."""
        try:
            self._run(seconds)
        finally:
            self._epoll.close()
            for sock, *_ in self._open.values():
                sock.close()

    def _run(self, seconds: float) -> None:
        began, number = time.time(), 0
        while self._open or not self._over:
            now = time.time()
            self._over = self._over or now - began > seconds
            due = began + number / self._rate
            if not self._over and now >= due and len(self._open) < _MOST:
                self._send(number, due)
                number += 1
                due = began + number / self._rate
            may_send = not self._over and len(self._open) < _MOST
            self._receive_all(due if may_send else now + SILENCE_S)
            if not may_send and time.time() > now + SILENCE_S:
                raise TimeoutError(f"no answer for {SILENCE_S} s")

    def _receive_all(self, until: float) -> None:
        """What is there; wait for some until then, if anything is under way or is to be sent."""
        patience_s = max(0.0, until - time.time()) if self._open or not self._over else 0.0
        for fd, _ in self._epoll.poll(patience_s):
            self._receive(fd)

    def _send(self, number: int, due: float) -> None:
        sock = socket.socket()
        sock.connect(self._address)
        sock.send(line(number))
        self.said.at[number] = time.time()
        sock.shutdown(socket.SHUT_WR)
        sock.setblocking(False)
        self._epoll.register(sock, select.EPOLLIN)
        self._open[sock.fileno()] = (sock, number, due, b"")

    def _receive(self, fd: int) -> None:
        sock, number, due, before = self._open[fd]
        part = sock.recv(2 * LINE_SIZE)
        if part:
            self._open[fd] = (sock, number, due, before + part)
            if len(before + part) >= LINE_SIZE:
                now = time.time()
                self.said.waits.append((now, now - due))
            return
        if before != line(number):
            raise WrongAnswer(f"{before!r} instead of {line(number)!r}")
        del self._open[fd]
        sock.close()


class Running:
    """The program, running."""

    def __init__(self, port: int, rate: float, seconds: float) -> None:
        command = [sys.executable, "-m", "bench.log.load", str(port), str(rate), str(seconds)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)

    def said(self) -> Said:
        """End it. Raises: RuntimeError when it did not go as it should."""
        self._process.terminate()
        printed, _ = self._process.communicate(timeout=3 * SILENCE_S)
        if self._process.returncode:
            raise RuntimeError(f"the load ended with {self._process.returncode}")
        found = json.loads(printed)
        return Said({int(n): at for n, at in found["at"].items()}, found["waits"])

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@contextmanager
def loaded(port: int, rate: float, seconds: float) -> Iterator[Running]:
    """`seconds`: at most."""
    running = Running(port, rate, seconds)
    try:
        yield running
    finally:
        running.close()


def main() -> None:
    port, rate, seconds = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    paced = Paced(port, rate)
    signal.signal(signal.SIGTERM, paced.end)
    paced.run(seconds)
    print(json.dumps({"at": paced.said.at, "waits": paced.said.waits}))


if __name__ == "__main__":
    main()
