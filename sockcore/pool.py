"""PoolMixIn: reused, bounded threads. They accept for themselves, so that a request costs no
hand-over from one thread to another; the serving thread steps in only when all are busy.

    serving thread   the loop's beat; when all threads are busy: accept, and queue or refuse
    pool thread      wait for the listener or a ticket -> get_request .. shutdown_request -> again
    parking lot      the silent ones, once half of the threads are busy
"""

from __future__ import annotations

import socket
import threading
from typing import Any

from sockcore.threads import ThreadingMixIn
from sockcore.workers import Workers

__all__ = ["PoolMixIn"]


class PoolMixIn(ThreadingMixIn):
    """Mix-in to answer each request in one of at most `max_threads` reused threads.

    When all are busy, `max_queue` requests wait for one, accepted; what comes then is closed at
    once, and counted as refused. Once half are busy, a connection gets a thread when it has said
    something, so that silent ones cannot take them all.

    A thread answers many requests, so thread-locals outlive a request, and handlers that wait for
    one another need enough threads. They are daemons, so that idle ones do not keep the
    interpreter alive; server_close() waits for those at work unless `daemon_threads`. Outside
    serve_forever() each request has a thread of its own, as with ThreadingMixIn.
    """

    max_threads: int = 1000
    max_queue = 1000

    _pool: Workers | None = None
    _takes_listener = True  # the threads accept by themselves
    #: Seconds a silent connection is parked before it gets a thread all the same, if one is free:
    #: its handler may be the one that speaks first. None: for ever.
    _parked_for_s: float | None = 0.5

    def serve_forever(self, poll_interval: float | None = 0.5) -> None:
        pool = self._pool = Workers(self)
        with self._never_blocking():  # until the last thread has left
            try:
                pool.open()
                super().serve_forever(poll_interval)
            finally:
                self._pool = None
                pool.close()

    def service_actions(self) -> None:
        super().service_actions()
        if self._pool is not None:
            self._pool.look_after()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Thread: one of the pool, or the serving one, which only hands over."""
        if (pool := self._pool) is None:
            super().process_request(request, client_address)
        elif threading.get_ident() in pool.idents:
            tight = pool.is_tight and self._waits_for_peer
            if not (tight and pool.park(request, client_address)):
                self.process_request_thread(request, client_address)
        elif not (self._waits_for_peer and pool.park(request, client_address)):
            pool.put(request, client_address)

    def server_close(self) -> None:
        if self._pool is not None:
            self._pool.leave()
        super().server_close()

    def _room(self) -> None:
        """Outside serve_forever() there is no pool, and so no bound."""

    @property
    def _waits_for_peer(self) -> bool:
        """Whether requests are connections, of a handler that listens first."""
        server: Any = self
        return server.socket_type == socket.SOCK_STREAM and not getattr(
            server.RequestHandlerClass, "speaks_first", False
        )
