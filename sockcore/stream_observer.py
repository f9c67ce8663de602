"""The observer of a stream server: a connection is one request, from accept to close."""

from __future__ import annotations

import socket
from typing import Any, NoReturn

from sockcore import telling
from sockcore.observe import ObservedSocket, taken_over
from sockcore.observer import Observer
from sockcore.streams import Stream
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
        observed = sock if type(sock) is ObservedSocket else taken_over(sock)
        tape = Tape(self.limits)
        stream = Stream(next(self._request_ids), address, tape, observed)
        observed.tape, observed.record, observed.ended = tape, stream, self._ended
        with self._lock:
            refused = self.table.admit_locked(stream, self.limits)
            if refused is None:
                self._connections_total += 1
                self._entered_locked(stream)
                self._note((telling.opened, (self.server, stream)))
        if refused is not None:
            self._turn_away(observed, stream, refused)
        return observed

    def _turn_away(self, observed: ObservedSocket, stream: Stream, reason: str) -> NoReturn:
        with self._lock:
            self._turned_away_locked(stream, reason)
        observed.ended = None
        observed.close()
        self._teller.relieve()
        raise ConnectionLimitReached(reason)

    def handshake_failed(self, request: Any, why: str) -> None:
        """TLS did not come about: no handler gets `request`."""
        record = self.record_of(request)
        if record is not None:
            record.fail_handshake(why)

    def _ended(self, stream: Stream) -> None:
        outcome, closed_by = stream.verdict()  # as it is now, whatever happens to it later
        with self._lock:
            # Whoever reads of a finished request finds it gone from the list.
            if self._forget_locked(stream, closed_by) and not stream.finished:
                self._finish_locked(stream, outcome, closed_by)
        self._teller.relieve()

    def _look_at_all(self) -> None:
        for stream in self.table.all():
            # Dropped without close(): it must not stay in the table for ever. Not told where it
            # happens, since the garbage collector finds it amid anything, a lock of ours included.
            if isinstance(stream, Stream) and stream.sock is not None and stream.sock() is None:
                self._ended(stream)
        super()._look_at_all()

    def abandon(self) -> int:
        left = self.table.all()
        for stream in left:
            if isinstance(stream, Stream):
                self._ended(stream)
        return len(left)

    def record_of(self, request: Any) -> Stream | None:
        record = getattr(request, "record", None)
        return record if isinstance(record, Stream) else None
