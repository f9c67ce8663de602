"""Where our datagram servers listen, so that none of them answers another: two that echo would go
on for ever once a datagram with a forged source has made them begin.

Knows addresses, and who is to hear that they changed. Knows no definitions.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Hashable
from typing import Protocol

log = logging.getLogger("app.servers")


class Listening(Protocol):
    def follow(self) -> None:
        """Take over the addresses as they are now. May wait for another process."""


class OwnSockets:
    """The addresses of the datagram servers that run. Thread: any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards what follows
        self._at: dict[Listening, Hashable] = {}
        self._news = self._telling = False
        self._addresses: frozenset[Hashable] = frozenset()

    @property
    def addresses(self) -> frozenset[Hashable]:
        """As getsockname() gives them."""
        return self._addresses

    def listens(self, server: Listening, address: Hashable) -> None:
        """`server` does, from now on. Never waits."""
        with self._lock:
            self._at[server] = address
            self._changed_locked()

    def listens_no_more(self, server: Listening) -> None:
        """Never waits."""
        with self._lock:
            if self._at.pop(server, None) is not None:
                self._changed_locked()

    def _changed_locked(self) -> None:
        self._addresses = frozenset(self._at.values())
        self._news = True
        if not self._telling:
            self._telling = True
            threading.Thread(target=self._tell, name="own-sockets", daemon=True).start()

    def _tell(self) -> None:
        """Have them all know, in a thread of its own: who told us must not wait for them."""
        while True:
            with self._lock:
                if not self._news:
                    self._telling = False
                    return
                self._news = False
                servers = list(self._at)
            for server in servers:
                try:
                    server.follow()
                except Exception:
                    log.exception("a server was not told where the others listen")
