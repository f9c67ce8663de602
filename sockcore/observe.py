"""Sockets that count and tape what crosses them while staying `socket.socket`.

Knows tapes and the two calls it makes back (`ended`, `sent_to`). Knows nothing of servers.
`makefile()`, `select`, `rfile` and user code work as with any socket, since these are sockets.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterable
from types import FrameType
from typing import Any, Self, TypeVar

from sockcore.noting import Noting
from sockcore.tape import Tape

__all__ = ["ObservedDatagramSocket", "ObservedSocket", "adopt"]

S = TypeVar("S", bound=socket.socket)


class ObservedSocket(Noting, socket.socket):
    """The socket of one accepted connection."""

    __slots__ = ("ended", "record", "tape")

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

    __slots__ = ("sent_to",)

    sent_to: Callable[[Any, bytes], None]  # (address, data)

    def sendto(self, data: Any, *args: Any) -> int:
        """`sendto(data, address)` or `sendto(data, flags, address)`."""
        sent = super().sendto(data, *args)
        self.sent_to(args[-1], bytes(data))
        return sent

    def sendmsg(
        self,
        buffers: Iterable[Any],
        ancdata: Iterable[tuple[int, int, Any]] = (),
        flags: int = 0,
        address: Any = None,
        /,
    ) -> int:
        parts = [bytes(buffer) for buffer in buffers]
        sent = super().sendmsg(parts, ancdata, flags, address)
        self.sent_to(address, b"".join(parts))
        return sent

    @classmethod
    def over(cls, plain: socket.socket, sent_to: Callable[[Any, bytes], None]) -> Self:
        """Take over `plain`'s descriptor."""
        observed = _take_over(cls, plain)
        observed.sent_to = sent_to
        return observed


def adopt(
    sock: socket.socket, tape: Tape, record: object, ended: Callable[[], None]
) -> ObservedSocket:
    """The same connection, counted and taped from here on; a plain socket gives up its
    descriptor for it."""
    observed = sock if type(sock) is ObservedSocket else _take_over(ObservedSocket, sock)
    observed.tape = tape
    observed.record = record
    observed.ended = ended
    return observed


def _take_over(cls: type[S], plain: socket.socket) -> S:
    family, kind, proto, timeout = plain.family, plain.type, plain.proto, plain.gettimeout()
    taken = cls(family, kind, proto, fileno=plain.detach())
    if taken.gettimeout() != timeout:
        taken.settimeout(timeout)
    return taken
