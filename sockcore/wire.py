"""What a host process and its parent say to each other: pickled values over a socket pair.

The parent makes only plain values and those of the classes listed here of what comes in: who
runs handlers may come to say anything. Knows nothing of what the messages mean.
"""

from __future__ import annotations

import contextlib
import io
import pickle
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

from sockcore import connections, events, limits, totals

__all__ = ["Channel", "Message", "packed", "values"]

Message = tuple[Any, ...]  # a word, and what goes with it

_HEAD = struct.Struct("!I")

#: Longest message taken: far above a batch of events.
_MOST_BYTES = 256 * 1024 * 1024

#: Bytes that the kernel may keep on the way, so that neither side waits for the other often.
_BUFFER_BYTES = 1024 * 1024

_KNOWN = {
    (kind.__module__, kind.__qualname__): kind
    for kind in (
        *events.Event.__args__,
        events.Bytes,
        events.Chunk,
        connections.ConnectionInfo,
        limits.Limits,
        totals.Totals,
    )
}


class _Values(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is none of ours") from None


def values(data: bytes) -> Any:
    """Unpickle plain values and those of known classes, nothing else.

    Raises: UnpicklingError.
    """
    try:
        return _Values(io.BytesIO(data)).load()
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # broken ones raise nearly anything
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error


def packed(message: Message) -> bytes:
    """As it is sent."""
    data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return _HEAD.pack(len(data)) + data


class Channel:
    """One end. Thread: any may send; one receives."""

    def __init__(self, sock: socket.socket, load: Callable[[bytes], Any] = values) -> None:
        """`load` makes a message of its bytes; `pickle.loads` for what a parent says."""
        self._sock = sock
        self._load = load
        self._sending = threading.Lock()
        self._received = bytearray()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)

    def fileno(self) -> int:
        return self._sock.fileno()

    def give_up_sending_after(self, timeout_s: int) -> None:
        """Whoever sends waits for ever without this."""
        wait = struct.pack("@ll", timeout_s, 0)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, wait)

    def send(self, *message: Any) -> None:
        """Raises: OSError when the other side is gone, or takes nothing: all is over then."""
        self.send_packed(packed(message))

    def send_packed(self, data: bytes | memoryview) -> None:
        """The same of what is packed already, or of the rest of it."""
        with self._sending:
            try:
                self._sock.sendall(data)
            except BlockingIOError:
                self.end()  # part of it may have gone out: nothing can follow
                raise

    def send_some(self, data: memoryview) -> int:
        """Returns: how many bytes of it the kernel took; never waits. Raises: OSError."""
        try:
            return self._sock.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0

    def receive(self, timeout_s: float | None = None) -> Message | None:
        """The next message; None when the other side is gone.

        Raises: TimeoutError, UnpicklingError.
        """
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while (message := self._next()) is None:
            if deadline is not None:
                self._sock.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                if not self._hear(0):
                    return None
            finally:
                if deadline is not None:
                    self._sock.settimeout(None)
        return message

    def receive_ready(self) -> list[Message] | None:
        """What has come; None when the other side is gone. Never waits."""
        try:
            if not self._hear(socket.MSG_DONTWAIT):
                return None
        except BlockingIOError:
            return []
        return list(iter(self._next, None))

    def _hear(self, flags: int) -> bool:
        try:
            data = self._sock.recv(1 << 18, flags)
        except ConnectionError:
            return False
        self._received += data
        return bool(data)

    def _next(self) -> Message | None:
        """Of what was received; None when there is no whole one."""
        received = self._received
        if len(received) < _HEAD.size:
            return None
        (size,) = _HEAD.unpack_from(received)
        if size > _MOST_BYTES:
            raise pickle.UnpicklingError(f"a message of {size} bytes")
        end = _HEAD.size + size
        if len(received) < end:
            return None
        data = bytes(received[_HEAD.size : end])
        del received[:end]
        message = self._load(data)
        if not isinstance(message, tuple):
            raise pickle.UnpicklingError(f"no message: {type(message).__name__}")
        return message

    def hear_no_more(self) -> None:
        """Whoever receives finds that the other side is gone. Sending goes on."""
        with contextlib.suppress(OSError):  # it is gone indeed
            self._sock.shutdown(socket.SHUT_RD)

    def end(self) -> None:
        """Let both sides find the other gone."""
        with contextlib.suppress(OSError):  # it has ended already
            self._sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._sock.close()
