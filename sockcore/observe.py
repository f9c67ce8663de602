"""Sockets that count and tape what crosses them while staying `socket.socket`.

Knows tapes and the two calls it makes back (`ended`, `sent_to`). Knows nothing of servers.
`makefile()`, `select`, `rfile` and user code work as with any socket, since these are sockets.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, Self, TypeVar

from sockcore.errors import SendBufferFull
from sockcore.kernel import dropped_datagrams
from sockcore.noting import Noting

__all__ = ["ObservedDatagramSocket", "ObservedSocket", "taken_over"]

S = TypeVar("S", bound=socket.socket)

#: What a socket with any room takes whole. Its limit on a local peer's step is larger.
_SHORT_BYTES = 4096

# Not by super().
_recv_into, _send = socket.SocketType.recv_into, socket.SocketType.send
_close = socket.SocketType.close

#: Microseconds of one try to send a datagram to a local peer that does not read.
_SEND_STEP_US = 100_000


class ObservedSocket(Noting, socket.socket):
    """The socket of one accepted connection.

    The calls of nearly every request are here once more, without the detours that other sockets
    and arguments need: what runs between two visits to the kernel finds its caches cold.
    """

    __slots__ = ("ended", "record", "tape")  # set by who made it, before it is used

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        if (
            flags
            or nbytes
            or type(buffer) is not memoryview  # as of a file
            or not buffer.itemsize == buffer.ndim == 1
        ):
            return super().recv_into(buffer, nbytes, flags)
        tape = self.tape
        tape.reading = True
        try:
            size = _recv_into(self, buffer)
        except OSError as error:
            self._in_vain(error)
            raise
        finally:
            tape.reading = False
        if size:
            tape.note(True, buffer[:size].tobytes())
        else:
            tape.away_ns = time.monotonic_ns()
            if buffer:
                tape.peer_ended = True
        return size

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        if (
            flags
            or type(data) is not bytes
            or len(data) > _SHORT_BYTES
            or self.gettimeout() is not None
        ):
            super().sendall(data, flags)
            return
        tape = self.tape
        tape.writing = True
        try:
            sent = _send(self, data)
        except OSError as error:
            self._in_vain(error)
            raise
        finally:
            tape.writing = False
        if sent == len(data):
            tape.note(False, data)
        else:
            tape.note(False, data[:sent])
            super().sendall(data[sent:])

    def _real_close(self, *args: Any) -> None:
        _close(self)
        self._tell_ended()

    def dup(self) -> Self:
        """Another socket on the same connection, on the same tape."""
        twin = super().dup()
        twin.tape = self.tape
        twin.record = self.record
        twin.ended = None
        return twin

    def detach(self) -> int:
        """The descriptor goes to another object: no longer seen from here. A TLS socket that is
        just being made of this one goes on with its tape."""
        descriptor = super().detach()
        if not self._bequeathed(sys._getframe(1)):
            self._tell_ended()
        return descriptor

    def _bequeathed(self, taker: FrameType) -> bool:
        # SSLContext.wrap_socket() makes its socket in SSLSocket._create(), which detaches the
        # one it is given: nowhere else are both known.
        if taker.f_code.co_name != "_create":
            return False
        from sockcore.observe_tls import inherit  # not everybody has ssl

        return inherit(taker.f_locals.get("self"), self)


class ObservedDatagramSocket(socket.socket):
    """The one socket of a datagram server: tells where each datagram goes."""

    __slots__ = ("_dropped", "_send_timeout", "may_send", "sent_to")

    sent_to: Callable[[Any, bytes], None]  # (address, data)
    #: Asked where something may go. What may not is thrown away, as a network does. None: all may.
    may_send: Callable[[Any], bool] | None
    _send_timeout: Callable[[], float | None]  # seconds, now
    _dropped: int

    def sendto(self, data: Any, *args: Any) -> int:
        """`sendto(data, address)` or `sendto(data, flags, address)`.

        Raises: SendBufferFull when a local peer that reads nothing had the time it may take.
        """
        may_send = self.may_send
        if may_send is not None and args and not may_send(args[-1]):
            return memoryview(data).nbytes
        try:
            sent = super().sendto(data, *args)
        except BlockingIOError:
            if not self._may_wait(args[0] if len(args) > 1 else 0):
                raise
            sent = self._in_time(super().sendto, data, *args)
        self.sent_to(args[-1], bytes(data))
        return sent

    def _may_wait(self, flags: int) -> bool:
        return self.gettimeout() is None and not flags & getattr(socket, "MSG_DONTWAIT", 0)

    def _in_time(self, call: Callable[..., int], *args: Any) -> int:
        """Try on, one step of waiting after another."""
        began = time.monotonic()
        while True:
            limit_s = self._send_timeout()
            if limit_s is not None and time.monotonic() - began >= limit_s:
                told = f"the peer takes nothing: it was waited for {limit_s} s"
                raise SendBufferFull(told) from None
            with contextlib.suppress(BlockingIOError):
                return call(*args)

    @property
    def dropped(self) -> int:
        """Datagrams that the kernel threw away, also after the end."""
        if self.fileno() >= 0:
            self._dropped = max(self._dropped, dropped_datagrams(self))
        return self._dropped

    def _real_close(self, *args: Any) -> None:
        _ = self.dropped  # looked at for the last time
        super()._real_close(*args)  # type: ignore[misc]

    def sendmsg(
        self,
        buffers: Iterable[Any],
        ancdata: Iterable[tuple[int, int, Any]] = (),
        flags: int = 0,
        address: Any = None,
        /,
    ) -> int:
        parts = [bytes(buffer) for buffer in buffers]
        if self.may_send is not None and address is not None and not self.may_send(address):
            return sum(map(len, parts))
        try:
            sent = super().sendmsg(parts, ancdata, flags, address)
        except BlockingIOError:
            if not self._may_wait(flags):
                raise
            sent = self._in_time(super().sendmsg, parts, ancdata, flags, address)
        self.sent_to(address, b"".join(parts))
        return sent

    @classmethod
    def over(
        cls,
        plain: socket.socket,
        sent_to: Callable[[Any, bytes], None],
        send_timeout: Callable[[], float | None],
    ) -> Self:
        """Take over `plain`'s descriptor."""
        observed = _take_over(cls, plain)
        observed.sent_to = sent_to
        observed._send_timeout = send_timeout
        observed.may_send = None
        observed._dropped = 0
        if hasattr(socket, "SO_SNDTIMEO") and hasattr(socket, "AF_UNIX"):
            # Local peers may keep it waiting for ever; how long is looked at each time.
            wait = struct.pack("@ll", 0, _SEND_STEP_US)
            observed.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)
        return observed


def taken_over(plain: socket.socket) -> ObservedSocket:
    """The same connection; `plain` gives up its descriptor for it. What it is to note on, as which
    record, and whom it tells of its end, is set then."""
    return _take_over(ObservedSocket, plain)


def _take_over(cls: type[S], plain: socket.socket) -> S:
    family, kind, proto, timeout = plain.family, plain.type, plain.proto, plain.gettimeout()
    taken = cls(family, kind, proto, fileno=plain.detach())
    if taken.gettimeout() != timeout:
        taken.settimeout(timeout)
    return taken
