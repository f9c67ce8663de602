"""Forking in tests: what parent and child did, told through a file that both write to.

The process of a test forks only while it has one thread: clients connect before the server
looks, and the loop, where there is one, runs in the test's own thread.
"""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.sockcore.serving import POLL_S, Trace, connect

LOOPBACK = ("127.0.0.1", 0)


class Notes(Trace):
    """Lines of `parent NAME` and `child NAME`, in the order of their writing."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._path.touch()
        self._parent = os.getpid()

    def note(self, name: str) -> None:
        who = "parent" if os.getpid() == self._parent else "child"
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND)
        try:
            os.write(fd, f"{who} {name}\n".encode())
        finally:
            os.close(fd)

    @property
    def lines(self) -> list[str]:
        return self._path.read_text().splitlines()

    def of(self, who: str) -> list[str]:
        return [line.removeprefix(f"{who} ") for line in self.lines if line.startswith(who)]


def answering(api: Any, answer: Callable[[], bytes]) -> Any:
    """A handler that sends what `answer` returns in the child."""

    class Answering(api.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(answer())

    return Answering


def end_of_child(server: Any) -> int:
    """Reap the only child ourselves. Returns: its exit status."""
    (pid,) = server.active_children
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def serve_until(
    server: Any, done: Callable[[], object], poll_interval: float | None = POLL_S
) -> None:
    """Run the loop here until `done()` is true after a turn of it."""
    inherited = server.service_actions

    def service_actions() -> None:
        inherited()
        if done():
            server._BaseServer__shutdown_request = True

    server.service_actions = service_actions
    try:
        server.serve_forever(poll_interval)
    finally:
        del server.service_actions


@contextlib.contextmanager
def connected(server: Any, count: int) -> Iterator[list[socket.socket]]:
    """So many clients, in the backlog of a stream server."""
    with contextlib.ExitStack() as stack:
        family = server.address_family
        yield [stack.enter_context(connect(server.server_address, family)) for _ in range(count)]


class Latch:
    """Children wait here, and the test lets them go."""

    def __init__(self) -> None:
        self._wait_fd, self._hold_fd = os.pipe()

    def wait(self) -> bytes:
        """In a child: until let_go(). Only then has nobody the other end open any more.

        Returns: nothing, for an answer.
        """
        os.close(self._hold_fd)
        return os.read(self._wait_fd, 1)

    def let_go(self) -> None:
        if self._hold_fd >= 0:
            os.close(self._hold_fd)
            self._hold_fd = -1

    def close(self) -> None:
        self.let_go()
        os.close(self._wait_fd)


@contextlib.contextmanager
def latch() -> Iterator[Latch]:
    held = Latch()
    try:
        yield held
    finally:
        held.close()
