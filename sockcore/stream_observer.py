"""The observer of a stream server: a connection is one request, from accept to close."""

from __future__ import annotations

import socket
import weakref
from typing import Any, NoReturn

from sockcore import telling
from sockcore.connections import Connection, Request
from sockcore.observe import ObservedSocket, adopt
from sockcore.observer import Observer
from sockcore.peers import peer_label
from sockcore.tape import Tape

__all__ = ["ConnectionLimitReached", "StreamObserver"]


class ConnectionLimitReached(OSError):
    """Raised out of get_request(), where an OSError means: there is nothing to process."""


class StreamObserver(Observer):
    """Watches a TCP or Unix stream server."""

    def accepted(self, sock: socket.socket, address: Any) -> ObservedSocket:
        """Enter a connection that was just accepted.

        Raises: ConnectionLimitReached, having closed it, when the server is full.
        Thread: those that accept.
        """
        peer = peer_label(address, sock)
        connection = Connection(next(self._connection_ids), address, peer, stream=True)
        request = Request(next(self._request_ids), connection, Tape(self.limits))
        connection.request = request
        observed = adopt(sock, request.tape, request, self._ended)
        connection.sock = weakref.ref(observed)
        with self._lock:
            self._connections_total += 1
            self._entered_locked(request)
        refused = self.table.admit(connection, self.limits)
        if refused is not None:
            self._turn_away(observed, request, refused)
        self._teller.note((telling.opened, (self.server, connection)))
        return observed

    def handshake_failed(self, request: Any, why: str) -> None:
        """TLS did not come about: no handler gets `request`."""
        record = self.record_of(request)
        if record is not None:
            record.fail_handshake(why)

    def _turn_away(self, observed: ObservedSocket, request: Request, reason: str) -> NoReturn:
        with self._lock:
            self._connections_total -= 1
            self._turned_away_locked(request, reason)
        observed.ended = request.connection.sock = None
        observed.close()
        self._teller.relieve()
        raise ConnectionLimitReached(reason)

    def _ended(self, request: Request) -> None:
        # Out of the table first: whoever reads of a finished request finds it gone from the list.
        self._forget(request.connection, request.verdict()[1])
        self._finish(request)

    def _look_at_all(self) -> None:
        for connection in self.table.all():
            request, sock = connection.request, connection.sock
            # Dropped without close(): it must not stay in the table for ever. Not told where it
            # happens, since the garbage collector finds it amid anything, a lock of ours included.
            if request is not None and sock is not None and sock() is None:
                self._ended(request)
        super()._look_at_all()

    def record_of(self, request: Any) -> Request | None:
        record = getattr(request, "record", None)
        return record if isinstance(record, Request) else None
