"""What a host process and its parent say to each other: pickled values over a socket pair.

Only values of the classes listed here are made of what comes in, whoever sent it.
"""

from __future__ import annotations

import io
import pickle
import socket
import struct
import threading
from typing import Any

from sockcore import connections, events, limits, totals

__all__ = ["Channel"]

_HEAD = struct.Struct("!I")

#: Longest message taken: far above a batch of events.
_MOST_BYTES = 256 * 1024 * 1024

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
    """Makes plain values and those of known classes, nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _KNOWN[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is none of ours") from None


class Channel:
    """One end. Thread: any may send; one receives."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._sending = threading.Lock()

    def fileno(self) -> int:
        return self._sock.fileno()

    def send(self, *message: Any) -> None:
        """Raises: OSError when the other side is gone."""
        data = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
        with self._sending:
            self._sock.sendall(_HEAD.pack(len(data)) + data)

    def receive(self, timeout_s: float | None = None) -> tuple[Any, ...] | None:
        """The next message; None when the other side is gone.

        Raises: TimeoutError, UnpicklingError.
        """
        self._sock.settimeout(timeout_s)
        try:
            head = self._exactly(_HEAD.size)
            if head is None:
                return None
            (size,) = _HEAD.unpack(head)
            if size > _MOST_BYTES:
                raise pickle.UnpicklingError(f"a message of {size} bytes")
            data = self._exactly(size)
        except ConnectionError:
            return None
        if data is None:
            return None
        message: tuple[Any, ...] = _Values(io.BytesIO(data)).load()
        return message

    def _exactly(self, size: int) -> bytes | None:
        parts = []
        while size:
            part = self._sock.recv(min(size, 1 << 20))
            if not part:
                return None
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def end(self) -> None:
        """Let both sides see the end; whoever receives stops."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # it has ended already

    def close(self) -> None:
        self._sock.close()
