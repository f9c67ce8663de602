"""TLS sockets that count and tape their plaintext while staying `ssl.SSLSocket`.

Knows how `ssl` makes a TLS socket out of a plain one, and how its methods call each other.
Knows nothing of servers. The bytes of the handshake are not on the tape.
"""

from __future__ import annotations

import functools
import ssl
import time
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from sockcore.noting import PEER_GONE, Noting
from sockcore.tls import describe, handshake_failure, peer_certificate_subject

if TYPE_CHECKING:

    class _TLSSocket(Noting, ssl.SSLSocket):  # type: ignore[misc]  # what is not so below
        _sslobj: object

else:
    _TLSSocket = Noting

__all__ = ["NotingTLS", "inherit"]


@runtime_checkable
class _Record(Protocol):
    """A record that wants to know how its connection goes on."""

    def moved(self, heir: ssl.SSLSocket) -> None: ...

    def fail_handshake(self, why: str) -> None: ...


class NotingTLS(_TLSSocket):
    """Mix-in for a class of TLS sockets: notes the plaintext on `tape`.

    As in the stdlib, recv() and recv_into() come to read(), sendall() and sendfile() to send();
    without TLS (before a shutdown(), after an unwrap()) they are those of any socket.
    """

    __slots__ = ()

    gone = (*PEER_GONE, ssl.SSLEOFError, ssl.SSLZeroReturnError)
    tls: str | None  # version and cipher, once hands are shaken
    certificate: str | None  # the subject of the peer's

    def do_handshake(self, block: bool = False) -> None:
        self.tape.reading = True  # a client that is waited for; no fault of the handler
        try:
            super().do_handshake(block)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise  # not at its end yet
        except OSError as error:
            self.tape.peer_ended |= isinstance(error, self.gone)
            if isinstance(self.record, _Record):
                self.record.fail_handshake(handshake_failure(error))
            raise
        finally:
            self.tape.reading = False
            self.tape.away_ns = time.monotonic_ns()
        self.tls = describe(self)
        self.certificate = peer_certificate_subject(self)

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002  (the stdlib's name)
        self.tape.reading = True
        try:
            got: Any = super().read(len, buffer)
            if buffer is None:
                self._received(got, len)
            else:
                view = memoryview(buffer).cast("B")
                self._received(view[:got], view.nbytes)
        except OSError as error:
            self._in_vain(error)
            raise
        finally:
            self.tape.reading = False
        return got

    def write(self, data: Any) -> int:
        # Without TLS it has to fail, as that of the stdlib does.
        return self.send(data) if self._sslobj is not None else super().write(data)

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        if self._sslobj is not None:
            return ssl.SSLSocket.recv(self, buflen, flags)
        return super().recv(buflen, flags)

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        if self._sslobj is not None:
            return ssl.SSLSocket.recv_into(self, buffer, nbytes, flags)
        return super().recv_into(buffer, nbytes or 0, flags)

    def sendall(self, data: Any, flags: int = 0) -> None:
        if self._sslobj is not None:
            ssl.SSLSocket.sendall(self, data, flags)
        else:
            super().sendall(data, flags)


@functools.cache
def _observed(cls: type[ssl.SSLSocket]) -> type[NotingTLS]:
    return type(f"Observed{cls.__name__}", (NotingTLS, cls), {"__slots__": ()})


def inherit(heir: object, plain: Noting) -> bool:
    """`heir` has the descriptor of `plain`: from here on it notes on the same tape.

    Returns: False when it is no TLS socket, and so nothing was done.
    """
    if not isinstance(heir, ssl.SSLSocket):
        return False
    heir.__class__ = _observed(type(heir))  # type: ignore[arg-type]  # a class has a hash
    assert isinstance(heir, NotingTLS)
    heir.tape, heir.record, heir.ended = plain.tape, plain.record, plain.ended
    heir.tls = heir.certificate = None
    plain.ended = None
    if isinstance(heir.record, _Record):
        heir.record.moved(heir)
    return True
