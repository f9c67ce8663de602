"""The observer of a datagram server: a datagram is a request, a peer a connection until idle."""

from __future__ import annotations

import socket
import threading
import time
from dataclasses import replace
from typing import Any

from sockcore import telling
from sockcore.connections import Connection, Request
from sockcore.events import EventSink
from sockcore.limits import Limits
from sockcore.observe import ObservedDatagramSocket
from sockcore.observer import Observer
from sockcore.peers import peer_label
from sockcore.tape import Tape
from sockcore.totals import Totals

__all__ = ["DatagramObserver"]


class DatagramObserver(Observer):
    """Watches a UDP or Unix datagram server."""

    def __init__(self, server: str, run_id: str, sink: EventSink, limits: Limits) -> None:
        super().__init__(server, run_id, sink, limits)
        # Requests being answered, by id of the tuple that the hooks pass around. Guarded by
        # _lock. The tuple is kept beside, so that its id stays its own.
        self._answering: dict[int, tuple[Any, Request]] = {}
        self._here = threading.local()  # .record: the request this thread answers
        self._meeting = threading.Lock()  # held while a new peer is entered
        self._socket: ObservedDatagramSocket | None = None
        self._refused_datagrams = 0  # guarded by _lock

    def watch(self, plain: socket.socket) -> ObservedDatagramSocket:
        """The server's own socket, made to tell what goes out."""
        self._socket = ObservedDatagramSocket.over(
            plain, self._sent_to, lambda: self.limits.send_timeout_s
        )
        return self._socket

    def received(
        self, request: tuple[bytes, Any], address: Any, *, truncated: bool = False
    ) -> None:
        """Enter a datagram that was just received. Thread: those that receive."""
        data = request[0]
        peer = self.table.peer(address) or self._new_peer(address)
        peer.last_ns = time.monotonic_ns()
        peer.last_bytes = data[:32]
        record = Request(next(self._request_ids), peer, Tape(self.limits))
        record.tape.note(True, data)
        record.truncated = truncated
        with self._lock:
            peer.bytes_in += len(data)
            self._bytes_in += len(data)
            self._entered_locked(record)
            self._answering[id(request)] = (request, record)

    def answered(self, request: Any) -> None:
        """The server is done with this datagram."""
        with self._lock:
            _, record = self._answering.pop(id(request), (None, None))
        if record is not None:
            self._finish(record)

    def record_of(self, request: Any) -> Request | None:
        with self._lock:
            return self._answering.get(id(request), (None, None))[1]

    def answering(self, request: Any) -> None:
        record = self.record_of(request)
        if record is not None:
            record.connection.thread = threading.current_thread().name
            record.begun_ns = time.monotonic_ns()
        self._here.record = record

    def no_longer_answering(self, request: Any) -> None:
        record = self._here.record
        if record is not None:
            record.begun_ns = None
        self._here.record = None

    def refused(self, request: Any, reason: str) -> None:
        super().refused(request, reason)
        with self._lock:
            self._refused_datagrams += 1
            self._bytes_in -= len(request[0])

    def totals(self) -> Totals:
        kernel = self._socket.dropped if self._socket is not None else 0
        return replace(super().totals(), dropped_total=kernel + self._refused_datagrams)

    def _new_peer(self, address: Any) -> Connection:
        with self._meeting:
            peer = self.table.peer(address)
            if peer is None:  # nor has another thread just met it
                self._make_room()
                number = next(self._connection_ids)
                peer = Connection(number, address, peer_label(address), stream=False)
                with self._lock:
                    self._connections_total += 1
                # Told before others can find it, so that it comes before its requests.
                self._teller.note((telling.opened, (self.server, peer)))
                self.table.add(peer)
            return peer

    def _make_room(self) -> None:
        limit = self.limits.max_connections
        while limit is not None and len(self.table) >= limit:
            quietest = self.table.quietest_peer()
            if quietest is None:
                break
            self._forget(quietest, "idle")

    def _sent_to(self, address: Any, data: bytes) -> None:
        record = getattr(self._here, "record", None)
        if record is None or record.connection.address != address:
            record = self._latest_of(address)
        self.sent_for(record, address, data)

    def sent_for(self, record: Request | None, address: Any, data: bytes) -> None:
        """`data` went to `address`, in answer to `record` if to anything."""
        if record is not None and record.connection.address == address:
            record.tape.note(False, data)
        peer = record.connection if record is not None else self.table.peer(address)
        with self._lock:
            self._bytes_out += len(data)
            if peer is not None:
                peer.bytes_out += len(data)
                peer.last_ns = time.monotonic_ns()

    def _latest_of(self, address: Any) -> Request | None:
        """The newest unanswered request of `address`: for a reply that another thread sends."""
        with self._lock:
            for _, record in reversed(self._answering.values()):
                if record.connection.address == address:
                    return record
        return None

    def _look_at_all(self) -> None:
        super()._look_at_all()
        with self._lock:
            records = [record for _, record in self._answering.values()]
        now_ns = time.monotonic_ns()
        for record in records:
            self._look_at(record, now_ns)

    def abandon(self) -> int:
        """Also the datagrams whose handlers do not end."""
        with self._lock:
            left, self._answering = list(self._answering.values()), {}
        for _, record in left:
            record.ended_by = record.ended_by or "stop"
            self._finish(record)
        return super().abandon() + len(left)
