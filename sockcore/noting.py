"""What makes a stream socket count and tape what crosses it, whatever kind of socket it is.

Knows tapes, and the one call made back when it is over (`ended`). Knows nothing of servers.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from sockcore.tape import Tape

if TYPE_CHECKING:
    _Socket = socket.socket
else:
    _Socket = object

__all__ = ["PEER_GONE", "Noting"]

#: What a peer's abrupt end looks like from here.
PEER_GONE = (ConnectionResetError, BrokenPipeError, ConnectionAbortedError)


_PEEK = int(socket.MSG_PEEK)  # that of the stdlib is an enum, whose & is slow

#: Bytes of one send() to a local peer, so that one that reads slowly is seen to read: the kernel
#: does not tell.
_LOCAL_STEP_BYTES = 64 * 1024

_family = socket.SocketType.family.__get__  # the property makes an enum member at each look
_LOCAL = getattr(socket, "AF_UNIX", -1)


class Noting(_Socket):
    """Mix-in for a class of sockets: notes on `tape` what its methods read and write."""

    __slots__ = ()

    gone: ClassVar[tuple[type[OSError], ...]] = PEER_GONE
    tape: Tape
    record: object  # what the observer knows of it; not looked into here
    #: Called once with the record, when the descriptor is really closed.
    ended: Callable[[Any], None] | None

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        tape = self.tape
        tape.reading = True
        try:
            data = super().recv(bufsize, flags)
            self._received(data, bufsize, flags)
        except OSError as error:
            self._in_vain(error)
            raise
        finally:
            tape.reading = False
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        tape = self.tape
        tape.reading = True
        try:
            size = super().recv_into(buffer, nbytes, flags)
            if size and not flags:
                tape.note(True, memoryview(buffer).cast("B")[:size])
            else:
                view = memoryview(buffer).cast("B")
                self._received(view[:size], view.nbytes, flags)
        except OSError as error:
            self._in_vain(error)
            raise
        finally:
            tape.reading = False
        return size

    def recvfrom(self, bufsize: int, flags: int = 0, /) -> tuple[bytes, Any]:
        tape = self.tape
        tape.reading = True
        try:
            data, address = super().recvfrom(bufsize, flags)
            self._received(data, bufsize, flags)
        except OSError as error:
            self._in_vain(error)
            raise
        finally:
            tape.reading = False
        return data, address

    def recvfrom_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> tuple[int, Any]:
        tape = self.tape
        tape.reading = True
        try:
            size, address = super().recvfrom_into(buffer, nbytes, flags)
            view = memoryview(buffer).cast("B")
            self._received(view[:size], view.nbytes, flags)
        except OSError as error:
            self._in_vain(error)
            raise
        finally:
            tape.reading = False
        return size, address

    def recvmsg(
        self, bufsize: int, ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[bytes, list[tuple[int, int, bytes]], int, Any]:
        tape = self.tape
        tape.reading = True
        try:
            message = super().recvmsg(bufsize, ancbufsize, flags)
            self._received(message[0], bufsize, flags)
        except OSError as error:
            self._in_vain(error)
            raise
        finally:
            tape.reading = False
        return message

    def recvmsg_into(
        self, buffers: Iterable[Any], ancbufsize: int = 0, flags: int = 0, /
    ) -> tuple[int, list[tuple[int, int, bytes]], int, Any]:
        views = [memoryview(buffer).cast("B") for buffer in buffers]
        tape = self.tape
        tape.reading = True
        try:
            message = super().recvmsg_into(views, ancbufsize, flags)
            self._received(b"".join(views)[: message[0]], sum(map(len, views)), flags)
        except OSError as error:
            self._in_vain(error)
            raise
        finally:
            tape.reading = False
        return message

    def send(self, data: Any, flags: int = 0, /) -> int:
        tape = self.tape
        tape.writing = True
        try:
            sent = super().send(data, flags)
            if type(data) is bytes and sent == len(data):
                tape.note(False, data)
            else:
                tape.note(False, memoryview(data).cast("B")[:sent])
        except OSError as error:
            self._in_vain(error)
            raise
        finally:
            tape.writing = False
        return sent

    def sendall(self, data: Any, flags: int = 0, /) -> None:
        """As the stdlib's; by `send`, so that what went before a failure is on the tape."""
        timeout = self.gettimeout()
        # Without a timeout, none to pass; non-blocking, send itself says that it would block.
        deadline = time.monotonic() + timeout if timeout else None
        step = _LOCAL_STEP_BYTES if _family(self) == _LOCAL else sys.maxsize
        sent = -1
        if type(data) is bytes and len(data) <= step:
            sent = self.send(data, flags)
            if sent == len(data):
                return
        with memoryview(data) as given, given.cast("B") as view:
            if sent < 0:
                sent = self.send(view[:step], flags)
            while sent < len(view):
                # The limit is on the whole call, as in the stdlib.
                if deadline is not None and time.monotonic() >= deadline:
                    raise TimeoutError("timed out")
                sent += self.send(view[sent : sent + step], flags)

    def sendmsg(self, buffers: Iterable[Any], *args: Any) -> int:
        parts = [memoryview(buffer).cast("B") for buffer in buffers]
        tape = self.tape
        tape.writing = True
        try:
            sent = super().sendmsg(parts, *args)
            tape.note(False, b"".join(parts)[:sent])
        except OSError as error:
            self._in_vain(error)
            raise
        finally:
            tape.writing = False
        return sent

    def sendfile(self, file: Any, offset: int = 0, count: int | None = None) -> int:
        """As the stdlib's where it has no os.sendfile: by `send`, so that it is on the tape."""
        return self._sendfile_use_send(file, offset, count)  # type: ignore[attr-defined, no-any-return]

    def _real_close(self, *args: Any) -> None:
        # What close() comes to once no file made by makefile() is open any more.
        super()._real_close(*args)  # type: ignore[misc]
        self._tell_ended()

    def _received(self, data: bytes | memoryview, asked: int, flags: int = 0) -> None:
        if flags & _PEEK:
            self.tape.away_ns = time.monotonic_ns()
        elif data:
            self.tape.note(True, data)
        else:
            self.tape.away_ns = time.monotonic_ns()
            self.tape.peer_ended |= bool(asked)

    def _in_vain(self, error: OSError) -> None:
        """A call ended without bytes."""
        self.tape.away_ns = time.monotonic_ns()
        if isinstance(error, self.gone):
            self.tape.peer_ended = True

    def _tell_ended(self) -> None:
        ended = getattr(self, "ended", None)  # not there when it was refused at once
        self.ended = None
        if ended is not None:
            ended(self.record)
