"""Serving in tests: run a server in a thread, ask it something, wait for what must come true.

Belongs here: what several test modules need to drive a server class of either module.
Does not know which module the server comes from, nor what a test claims.
"""

# Server classes come from a module chosen at run time, so their type is Any.
# mypy: allow-subclassing-any

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

#: Seconds until a claim that is still false is a failure: far above what a loaded machine needs.
DEADLINE_S = 20.0

#: Seconds a loop of a test waits for a request: short, as only the stdlib's shutdown waits for it.
POLL_S = 0.01

HOOKS = (
    "server_bind",
    "server_activate",
    "server_close",
    "service_actions",
    "get_request",
    "verify_request",
    "process_request",
    "process_request_thread",
    "finish_request",
    "shutdown_request",
    "close_request",
    "handle_error",
    "handle_timeout",
)


def wait_until(claim: Callable[[], object], what: str = "the claim") -> None:
    """Return once `claim()` is true; AssertionError when the deadline passes first."""
    deadline = time.monotonic() + DEADLINE_S
    pause = threading.Event()
    while not claim():
        assert time.monotonic() < deadline, f"{what} did not come true in {DEADLINE_S} s"
        pause.wait(0.002)


def join(thread: threading.Thread) -> None:
    """Wait for the thread's end; AssertionError when it does not end."""
    thread.join(DEADLINE_S)
    assert not thread.is_alive(), f"{thread.name} did not end in {DEADLINE_S} s"


@contextlib.contextmanager
def in_thread(target: Callable[..., object], *args: object) -> Iterator[threading.Thread]:
    """Run `target` in a thread that has ended when the block is left."""
    # Daemon: a loop that does not end fails its test, it must not hold the whole run.
    thread = threading.Thread(target=target, args=args, name="in_thread", daemon=True)
    thread.start()
    try:
        yield thread
    finally:
        join(thread)


@contextlib.contextmanager
def running(server: Any, poll_interval: float | None = POLL_S) -> Iterator[Any]:
    """Serve in a thread; leave with the loop ended and the server closed."""
    with server, in_thread(server.serve_forever, poll_interval):
        try:
            yield server
        finally:
            server.shutdown()


def connect(address: Any, family: int = socket.AF_INET) -> socket.socket:
    """A stream connected to the address; every wait on it ends at the deadline."""
    client = socket.socket(family, socket.SOCK_STREAM)
    client.settimeout(DEADLINE_S)
    try:
        client.connect(address)
    except BaseException:
        client.close()
        raise
    return client


def read_all(client: socket.socket) -> bytes:
    """What the peer sends until it ends its side."""
    parts = []
    while part := client.recv(65536):
        parts.append(part)
    return b"".join(parts)


def ask(address: Any, data: bytes = b"", family: int = socket.AF_INET) -> bytes:
    """Send all of `data`, end our side, return all that comes back."""
    with connect(address, family) as client:
        if data:  # even of nothing, a local socket makes an error once its peer has answered
            client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return read_all(client)


def ask_once(server: Any) -> bytes:
    """Connect, let the server handle that one request, return the answer."""
    with connect(server.server_address) as client:
        server.handle_request()
        return read_all(client)


@contextlib.contextmanager
def datagrams(address: Any, family: int = socket.AF_INET) -> Iterator[socket.socket]:
    """A datagram socket bound to `address`; every wait on it ends at the deadline."""
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        client.settimeout(DEADLINE_S)
        client.bind(address)
        yield client


class Trace:
    """Names of hooks in the order they were called, and the thread each ran in."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.threads: dict[str, int] = {}

    def note(self, name: str) -> None:
        self.names.append(name)
        self.threads[name] = threading.get_ident()


def traced(base: Any, trace: Trace) -> Any:
    """A subclass of `base` that notes every call of a hook before it makes it."""

    def noting(name: str) -> Callable[..., object]:
        inherited = getattr(base, name)

        def hook(self: object, *args: object, **kwargs: object) -> object:
            trace.note(name)
            return inherited(self, *args, **kwargs)

        return hook

    hooks = {name: noting(name) for name in HOOKS if hasattr(base, name)}
    return type(f"Traced{base.__name__}", (base,), hooks)


def traced_handler(base: Any, trace: Trace) -> Any:
    """A subclass of the handler class `base` that notes setup, handle and finish."""

    class Handler(base):
        def setup(self) -> None:
            trace.note("setup")
            super().setup()

        def handle(self) -> None:
            trace.note("handle")
            super().handle()

        def finish(self) -> None:
            trace.note("finish")
            super().finish()

    return Handler


class FakeRequest:
    """Stands for a connection and notes what is done to it."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def shutdown(self, how: int) -> None:
        self.calls.append({socket.SHUT_WR: "shutdown(SHUT_WR)"}.get(how, f"shutdown({how})"))

    def close(self) -> None:
        self.calls.append("close")
