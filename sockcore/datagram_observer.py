"""The observer of a datagram server: a datagram is a request, a peer a connection until idle."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from dataclasses import replace
from typing import Any

from sockcore import telling
from sockcore.connections import Datagram, DatagramPeer, Request
from sockcore.events import EventSink
from sockcore.limits import Limits
from sockcore.observe import ObservedDatagramSocket
from sockcore.observer import Observer
from sockcore.replies import Prepaid, Replies
from sockcore.tape import Tape
from sockcore.totals import Totals

__all__ = ["DatagramObserver"]


class DatagramObserver(Observer):
    """Watches a UDP or Unix datagram server."""

    def __init__(self, server: str, run_id: str, sink: EventSink, limits: Limits) -> None:
        super().__init__(server, run_id, sink, limits)
        self._connection_ids = itertools.count(1)
        # Requests being answered, by id of the tuple that the hooks pass around. Guarded by
        # _lock. The tuple is kept beside, so that its id stays its own.
        self._answering: dict[int, tuple[Any, Datagram]] = {}
        self._here = threading.local()  # .record: the request this thread answers
        self._meeting = threading.Lock()  # held while a new peer is entered
        self._socket: ObservedDatagramSocket | None = None
        self._replies = Replies(limits)
        self._refused_datagrams = 0  # guarded by _lock, as what follows
        self._suppressed_total = 0

    def watch(self, plain: socket.socket) -> ObservedDatagramSocket:
        """The server's own socket, made to tell what goes out."""
        self._socket = ObservedDatagramSocket.over(
            plain, self._sent_to, lambda: self.limits.send_timeout_s
        )
        self._guard()
        return self._socket

    def obey(self, limits: Limits) -> None:
        super().obey(limits)
        self._replies.obey(limits)
        self._guard()

    def _guard(self) -> None:
        if self._socket is not None:
            self._socket.may_send = self._may_send if self._replies.are_bounded else None

    def received(
        self, request: tuple[bytes, Any], address: Any, *, truncated: bool = False
    ) -> None:
        """Enter a datagram that was just received. Thread: those that receive."""
        data = request[0]
        peer = self.table.peer(address) or self._new_peer(address)
        peer.last_ns = time.monotonic_ns()
        peer.last_bytes = data[:32]
        record = Datagram(next(self._request_ids), peer, Tape(self.limits))
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

    def _finish(self, record: Datagram) -> None:
        with self._lock:
            if not record.finished:
                self._finish_locked(record, *record.verdict())
        self._teller.relieve()

    def record_of(self, request: Any) -> Datagram | None:
        with self._lock:
            return self._answering.get(id(request), (None, None))[1]

    def answering(self, request: Any) -> None:
        record = self.record_of(request)
        if record is not None:
            record.connection.thread = threading.get_ident()
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
        return replace(
            super().totals(),
            dropped_total=kernel + self._refused_datagrams,
            suppressed_total=self._suppressed_total,
        )

    def _new_peer(self, address: Any) -> DatagramPeer:
        with self._meeting:
            peer = self.table.peer(address)
            if peer is None:  # nor has another thread just met it
                self._make_room()
                peer = DatagramPeer(next(self._connection_ids), address)
                with self._lock:
                    self._connections_total += 1
                # Told before others can find it, so that it comes before its requests.
                self._note((telling.opened, (self.server, peer)))
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

    # -- replies that are not sent --------------------------------------------------------

    def _may_send(self, address: Any) -> bool:
        """Thread: any that sends. Of what does not go, account is kept."""
        record = getattr(self._here, "record", None)
        if record is None or record.connection.address != address:
            record = self._latest_of(address)
        if (record is None and not self.is_peer(address)) or self._replies.allow(address):
            return True
        self.suppressed(record)
        return False

    def is_peer(self, address: Any) -> bool:
        """Whether it was heard of: what goes to others is a handler's own idea, and no reply."""
        return self.table.peer(address) is not None

    def prepaid(self, record: Request) -> Prepaid:
        """For a child process that is to answer it."""
        return Prepaid(self._replies, record.connection.address)

    def suppressed(self, record: Request | None) -> None:
        """A reply was not sent, one to `record` if to anything."""
        with self._lock:
            self._suppressed_total += 1
        if record is not None:
            record.suppressed = True

    # -- what is open ---------------------------------------------------------------------

    def sent_for(self, record: Request | None, address: Any, data: bytes) -> None:
        """`data` went to `address`, in answer to `record` if to anything."""
        peer = record.connection if isinstance(record, Datagram) else self.table.peer(address)
        if record is not None and record.connection.address == address:
            record.tape.note(False, data)
        with self._lock:
            self._bytes_out += len(data)
            if peer is not None:
                peer.bytes_out += len(data)
                peer.last_ns = time.monotonic_ns()

    def _latest_of(self, address: Any) -> Datagram | None:
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
        peers = self.table.all()
        for peer in peers:
            self._forget(peer, "stop")
        return len(peers) + len(left)
