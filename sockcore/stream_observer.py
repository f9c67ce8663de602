"""The observer of a stream server: a connection is one request, from accept to close."""

from __future__ import annotations

import socket
import weakref
from collections import deque
from typing import Any, NoReturn

from sockcore import telling
from sockcore.connections import Connection, Request
from sockcore.events import ConnectionRefused, EventSink
from sockcore.limits import Limits
from sockcore.observe import ObservedSocket, adopt
from sockcore.observer import Observer
from sockcore.peers import peer_label
from sockcore.tape import Tape
from sockcore.telling import now_us

__all__ = ["ConnectionLimitReached", "StreamObserver"]


class ConnectionLimitReached(OSError):
    """Raised out of get_request(), where an OSError means: there is nothing to process."""


class StreamObserver(Observer):
    """Watches a TCP or Unix stream server."""

    def __init__(self, server: str, run_id: str, sink: EventSink, limits: Limits) -> None:
        super().__init__(server, run_id, sink, limits)
        # Of sockets that died unclosed. The garbage collector finds them amid anything, a lock
        # of ours or of the sink included, so the next tick ends them.
        self._dropped: deque[Request] = deque()

    def accepted(self, sock: socket.socket, address: Any) -> ObservedSocket:
        """Enter a connection that was just accepted.

        Raises: ConnectionLimitReached, having closed it, when the server is full.
        Thread: those that accept.
        """
        peer = peer_label(address, sock)
        connection = Connection(next(self._connection_ids), address, peer, stream=True)
        request = Request(next(self._request_ids), connection, Tape(self.limits))
        connection.request = request
        observed = adopt(sock, request.tape, request, lambda: self._ended(request))
        # A socket that is dropped without close() must not stay in the table for ever.
        connection.sock = weakref.ref(observed, lambda _: self._dropped.append(request))
        with self._lock:
            self._connections_total += 1
            self._requests_total += 1
            self._untold.add(request)
        refused = self.table.admit(connection, self.limits)
        if refused is not None:
            self._turn_away(observed, request, refused)
        self.emit(telling.opened(self.server, connection))
        return observed

    def handshake_failed(self, request: Any, why: str) -> None:
        """TLS did not come about: no handler gets `request`."""
        record = self.record_of(request)
        if record is not None:
            record.fail_handshake(why)

    def _turn_away(self, observed: ObservedSocket, request: Request, reason: str) -> NoReturn:
        with self._lock:
            self._untold.discard(request)
            self._connections_total -= 1
            self._requests_total -= 1
            self._refused_total += 1
        observed.ended = request.connection.sock = None
        observed.close()
        peer = request.connection.peer
        self.emit(ConnectionRefused(server=self.server, peer=peer, at_us=now_us(), reason=reason))
        raise ConnectionLimitReached(reason)

    def _ended(self, request: Request) -> None:
        # Out of the table first: whoever reads of a finished request finds it gone from the list.
        self._forget(request.connection, request.verdict()[1])
        self._finish(request)

    def tick(self) -> None:
        while self._dropped:
            self._ended(self._dropped.popleft())
        super().tick()

    def record_of(self, request: Any) -> Request | None:
        record = getattr(request, "record", None)
        return record if isinstance(record, Request) else None
