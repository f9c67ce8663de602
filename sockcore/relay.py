"""A request that a child process answers, watched from its parent.

    child    what crosses, and how it ended  ->  a channel  ->  the tape in the parent
    child    whether it reads or writes     ->  a page of memory that both have

Knows records, tapes and channels. Knows nothing of how a server forks or reaps.
"""

from __future__ import annotations

import contextlib
import logging
import mmap
import os
import pickle
import signal
import socket
import struct
import sys
import time
from typing import Any

from sockcore.connections import Request
from sockcore.datagram_observer import DatagramObserver
from sockcore.failures import Tracebacks
from sockcore.noting import Noting
from sockcore.observe import ObservedDatagramSocket
from sockcore.observer import Observer
from sockcore.replies import Prepaid
from sockcore.tape import Buffer, Tape
from sockcore.wire import Channel, Message

__all__ = ["ChildObserver", "Relay", "relay_of"]

log = logging.getLogger("sockcore")

_AWAY_AT = 8  # of the page; its flags come before
_NS = struct.Struct("=q")


class _Flag:
    """An attribute that is a byte of the page."""

    def __init__(self, at: int) -> None:
        self._at = at

    def __get__(self, tape: _OnPage, _type: object = None) -> bool:
        return bool(tape._page[self._at])

    def __set__(self, tape: _OnPage, value: bool) -> None:
        tape._page[self._at] = value


class _OnPage:
    """What of a tape both processes see: the child's socket sets it, the parent's limits ask."""

    __slots__ = ()

    _page: mmap.mmap

    reading = _Flag(0)
    writing = _Flag(1)
    peer_ended = _Flag(2)

    @property
    def away_ns(self) -> int:
        away_ns: int = _NS.unpack_from(self._page, _AWAY_AT)[0]
        return away_ns

    @away_ns.setter
    def away_ns(self, value: int) -> None:
        # The later one: the parent hears of notes after the child has gone on.
        if value > self.away_ns:
            _NS.pack_into(self._page, _AWAY_AT, value)


class _ParentTape(_OnPage, Tape):
    __slots__ = ("_page",)

    def __init__(self, before: Tape, page: mmap.mmap) -> None:
        self._page = page
        super().__init__(before._limits)


class _ChildTape(_OnPage):
    __slots__ = ("_page", "_teller")

    def __init__(self, page: mmap.mmap, teller: _Teller) -> None:
        self._page, self._teller = page, teller

    def note(self, inbound: bool, data: Buffer) -> None:
        if not data:
            return
        self.away_ns = now = time.monotonic_ns()
        self._teller.tell("in" if inbound else "out", now, bytes(data))


class _Teller:
    """The child's end of the channel. A parent that is gone is none of the handler's business."""

    def __init__(self, channel: Channel) -> None:
        self._channel: Channel | None = channel

    def tell(self, *message: Any) -> None:
        if self._channel is None:
            return
        try:
            self._channel.send(*message)
        except OSError:
            self._channel = None


class ChildObserver:
    """In a child, in place of the server's observer: does what the hooks want of one, by telling
    the parent."""

    def __init__(self, teller: _Teller, record: Request) -> None:
        self._tell = teller.tell
        self._record = record
        self._ended = False

    def answering(self, request: Any) -> None:
        if getattr(request, "tls", None) is not None:
            self._tell("tls", request.tls, request.certificate)

    def no_longer_answering(self, request: Any) -> None:
        """Its end is told of, and that is enough."""

    def handshake_failed(self, request: Any, why: str) -> None:
        self._record.fail_handshake(why)

    def failed(self, request: Any) -> None:
        """The exception being handled is how the request ended."""
        error = sys.exc_info()[1]
        if error is not None:
            self._record.fail(error, Tracebacks())

    def answered(self, request: Any) -> None:
        self.ended()

    def ended(self, _record: object = None) -> None:
        """Nothing more comes of this request."""
        if not self._ended:
            self._ended = True
            record = self._record
            self._tell("end", record.ended_by, record.reset, record.handshake_failed, record.error)


class Relay:
    """One request in the hands of a child. Made before the fork; what is for the child, and what
    for the parent, is said at each method.

    Thread: the one that forks.
    """

    def __init__(self, observer: Observer, request: Any, record: Request) -> None:
        """Raises: OSError when there are no descriptors left, or no memory."""
        self.request = request
        self.has_ended = False
        self._observer, self._record = observer, record
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        ours, theirs = socket.socketpair()
        self._ours, self._theirs = Channel(ours), Channel(theirs)
        self._open: list[int] = []  # descriptors that the parent holds while it is answered
        self._prepaid: Prepaid | None = None  # of a datagram
        if record.connection.stream:
            record.tape = request.tape = _ParentTape(record.tape, self._page)
        elif isinstance(observer, DatagramObserver):
            self._prepaid = observer.prepaid(record)

    def fileno(self) -> int:
        return self._ours.fileno()

    def close(self) -> None:
        """Hear no more. In the parent, or in a child that is not to be."""
        self._ours.close()
        self._theirs.close()
        if self._prepaid is not None:
            self._prepaid.end()

    # -- in the child ---------------------------------------------------------------------

    def enter_child(self) -> ChildObserver:
        """Let the request tell of itself. Returns: the observer of the child."""
        self._ours.close()
        teller = _Teller(self._theirs)
        observer = ChildObserver(teller, self._record)
        request = self.request
        if isinstance(request, Noting):
            tape: Any = _ChildTape(self._page, teller)
            self._record.tape = request.tape = tape
            request.ended = observer.ended
        elif isinstance(sock := request[1], ObservedDatagramSocket):
            sock.sent_to = lambda address, data: teller.tell("to", address, data)
            if sock.may_send is not None:
                sock.may_send = lambda address: self._may_send(address, teller)
        return observer

    def _may_send(self, address: Any, teller: _Teller) -> bool:
        assert self._prepaid is not None
        if not self._is_reply(address) or self._prepaid.allow(address):
            return True
        teller.tell("suppressed", address)
        return False

    def _is_reply(self, address: Any) -> bool:
        if address == self._record.connection.address:
            return True
        return isinstance(self._observer, DatagramObserver) and self._observer.is_peer(address)

    def leave(self) -> None:
        """In a child that answers something else: nothing of this one stays open here.

        By descriptor: what a child touches of an object is copied for it, a page at a time.
        """
        for fd in self._open:
            os.close(fd)

    # -- in the parent --------------------------------------------------------------------

    def follow(self, pid: int) -> None:
        """The child is there."""
        self._theirs.close()
        self._open = [self._ours.fileno()]
        if isinstance(self.request, Noting):
            self._open.append(self.request.fileno())
        self._record.connection.thread = f"process {pid}"
        self._record.begun_ns = time.monotonic_ns()

    def hear(self) -> bool:
        """Enter what the child told. Returns: False when it tells no more."""
        try:
            messages = self._ours.receive_ready()
        except pickle.UnpicklingError:
            log.exception("a child told nonsense")
            return False
        for message in messages or ():
            self._enter(message)
        return messages is not None and not self.has_ended

    def _enter(self, message: Message) -> None:
        record = self._record
        match message:
            case ("in" | "out") as way, at_ns, data:
                record.tape.note(way == "in", data, at_ns)
            case "to", address, data:
                if isinstance(self._observer, DatagramObserver):
                    self._observer.sent_for(record, address, data)
                if self._prepaid is not None and self._is_reply(address):
                    self._prepaid.spent(address)
            case "suppressed", address:
                if isinstance(self._observer, DatagramObserver):
                    same = address == record.connection.address
                    self._observer.suppressed(record if same else None)
            case "tls", tls, certificate:
                self.request.tls, self.request.certificate = tls, certificate
            case "end", ended_by, reset, handshake_failed, error:
                self.has_ended = True
                record.begun_ns = None
                record.ended_by = record.ended_by or ended_by
                record.reset, record.handshake_failed = reset, handshake_failed
                record.error = error

    def died(self, status: int | None) -> None:
        """The child was reaped, with this wait status; None: by somebody else."""
        with contextlib.suppress(TimeoutError, pickle.UnpicklingError, OSError):
            # Not to the end of the channel, which a process that the child made may hold open.
            while not self.has_ended and (message := self._ours.receive(0.0)) is not None:
                self._enter(message)
        if not self.has_ended and status:
            self._record.error = _how_it_died(os.waitstatus_to_exitcode(status))
        self.has_ended = True
        self._record.begun_ns = None


def _how_it_died(code: int) -> str:
    if code >= 0:
        return f"its process left with exit status {code}, amid the request"
    with contextlib.suppress(ValueError):
        return f"its process was killed by {signal.Signals(-code).name}"
    return f"its process was killed by signal {-code}"


def relay_of(observer: Observer | None, request: Any) -> Relay | None:
    """A relay for a request about to be given to a child; None when it is not watched."""
    if observer is None:
        return None
    record = observer.record_of(request)
    return Relay(observer, request, record) if record is not None else None
