"""A program: one server of sockcore in a process of its own, bare or watched. Run by a test.

Bare, it is served by the only thread; its orders are heard by its own loop. See `serving.py`
for what it can be told.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

from sockcore import BackgroundServer, Event, HostedServer, Limits, RequestFinished, Totals
from tests.promises.answering import GATE
from tests.promises.making import made
from tests.promises.remote import Orders, allow_all_descriptors

_STARVED = (errno.EMFILE, errno.ENFILE)


class Lines(logging.Handler):
    """Keeps the lines of the log."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


class Told:
    """A sink that counts what it hears, and keeps nothing of it but distinct texts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards the rest
        self.events: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.errors: dict[str, str] = {}  # those that differ
        self.copies = 0  # of those that do not, how many were made anew
        self.truncated = 0

    def __call__(self, event: Event) -> None:
        with self._lock:
            self.events[type(event).__name__] += 1
            if isinstance(event, RequestFinished):
                self.outcomes[event.outcome] += 1
                self.truncated += event.truncated
                if event.error is not None and len(self.errors) < 10_000:
                    known = self.errors.setdefault(event.error, event.error)
                    self.copies += known is not event.error


class Program:
    """What is done for each order."""

    def __init__(self, orders: Orders) -> None:
        self._orders, self._spec = orders, orders.spec
        self._lines, self._told = Lines(), Told()
        logging.getLogger("sockcore").addHandler(self._lines)
        self._starved = 0
        self._bare: Any = None
        self._serves = False
        self._watched: Any = None

    def _wanted(self) -> tuple[Any, ...]:
        return tuple(
            self._spec[name] for name in ("server", "handler", "address", "attributes", "tls")
        )

    def _made(self) -> Any:
        """The server asked for, counting how often accept() finds no descriptor."""
        server = made(*self._wanted())
        get_request = server.get_request

        def counting() -> Any:
            try:
                return get_request()
            except OSError as error:
                self._starved += error.errno in _STARVED
                raise

        server.get_request = counting
        return server

    # -- orders ---------------------------------------------------------------------------

    def listen(self, address: Any = None) -> Any:
        """Bind and listen, bare, and serve nobody yet. Returns: the address."""
        self._spec["address"] = address or self._spec["address"]
        self._bare = self._made()
        return self._bare.server_address

    def begin(self, address: Any = None) -> Any:
        """Returns: the address."""
        if self._spec["run"] == "bare":
            self._serves = True
            return self._bare.server_address if self._bare else self.listen(address)
        self._spec["address"] = address or self._spec["address"]
        limits = Limits(**self._spec["limits"])
        if self._spec["run"] == "HostedServer":
            self._watched = HostedServer(
                "tests.promises.making:made", self._wanted(), sink=self._told, limits=limits
            )
        else:
            self._watched = BackgroundServer(self._made, sink=self._told, limits=limits)
        self._watched.start()
        return self._watched.address

    def stop(self, timeout_s: float = 5.0) -> int | None:
        """Returns: how many were abandoned."""
        if self._bare is not None:
            self._bare.shutdown()
            return None
        abandoned: int = self._watched.stop(timeout_s)
        return abandoned

    def report(self) -> dict[str, Any]:
        watched = self._watched
        totals = watched.totals() if watched is not None else Totals()
        return {
            "state": str(watched.state.value) if watched is not None else "bare",
            "totals": {name: getattr(totals, name) for name in totals.__slots__},
            "starved": self._starved,
            "lines": self._lines.texts,
            "events": self._told.events,
            "outcomes": self._told.outcomes,
            "errors": len(self._told.errors),
            "copies": self._told.copies,
            "truncated": self._told.truncated,
        }

    def room(self, count: int) -> None:
        """From now on there are descriptors for so many more."""
        allow_all_descriptors()
        with open(os.devnull, "rb") as probe:
            limit = probe.fileno() + count
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))

    def forbid(self) -> None:
        """From now on neither a thread nor a process can be made."""
        threading.stack_size(1 << 46)  # more than there are addresses for
        os.fork = _no_process  # the superuser has no limit of processes that could be lowered

    def allow(self) -> None:
        threading.stack_size(0)
        os.fork = _fork

    def open_gate(self) -> None:
        GATE.set()

    # -- running --------------------------------------------------------------------------

    def run(self) -> None:
        self._orders.say(None)
        while self._obey():
            if self._serves:
                self._serve()

    def _obey(self) -> bool:
        """Returns: False when there are no more orders."""
        order = self._orders.next()
        if order is None:
            return False
        deed: Callable[..., object] = getattr(self, order.pop("do"))
        answer = deed(**order)
        if not (self._serves and deed == self.stop):
            self._orders.say(answer)
        return True

    def _serve(self) -> None:
        """Be a bare server, whose loop hears of orders too, until it is to stop."""
        server, self._going = self._bare, True
        server._also_wait_for(self._orders.fileno(), self._hear)
        server.serve_forever()
        server.server_close()
        self._bare, self._serves = None, False
        if self._going:
            self._orders.say(None)

    def _hear(self) -> None:
        if not self._obey():
            self._going = False
            self._bare.shutdown()


_fork = os.fork


def _no_process() -> int:
    raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))


if __name__ == "__main__":
    allow_all_descriptors()
    Program(Orders()).run()
