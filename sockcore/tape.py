"""The tape of a request: its chunks in order, true sizes, and a bounded prefix of the bytes.

Knows bytes and clocks. Knows nothing of sockets or servers.
"""

from __future__ import annotations

import hashlib
import threading
import time

from sockcore.events import Bytes, Chunk
from sockcore.limits import Limits

__all__ = ["Tape"]

#: Of the latest chunk received: a line of a list shows no more.
_LAST_BYTES = 32

Buffer = bytes | bytearray | memoryview


class _Direction:
    """What crossed one way. Guarded by the lock of its tape."""

    __slots__ = ("digest", "kept", "last_chunk", "parts", "total")

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.kept = 0
        self.total = 0
        self.last_chunk = -1  # index of the latest chunk of this direction
        # Made only once bytes go by that are not kept: until then the parts have it all.
        self.digest: hashlib._Hash | None = None

    def add(self, data: Buffer, size: int, limit: int) -> None:
        self.total += size
        room = limit - self.kept
        if size <= room:
            self.parts.append(bytes(data))
            self.kept += size
            return
        if self.digest is None:
            self.digest = hashlib.sha256(b"".join(self.parts))
        self.digest.update(data)
        if room > 0:
            self.parts.append(bytes(data[:room]))
            self.kept = limit

    def to_bytes(self, *, digest: bool) -> Bytes:
        if not self.total:
            return Bytes()
        prefix = b"".join(self.parts)
        self.parts = [prefix]
        if not digest:
            return Bytes(prefix, self.total)
        whole = self.digest if self.digest is not None else hashlib.sha256(prefix)
        return Bytes(prefix, self.total, whole.digest())


class Tape:
    """Records what crosses, both ways.

    Thread: any; a handler may read in one thread and write in another.
    """

    __slots__ = (
        "_chunks",
        "_last",
        "_limits",
        "_lock",
        "_received",
        "_sent",
        "began_ns",
        "last_ns",
        "notes",
        "peer_ended",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()  # guards the chunks and both directions
        self._chunks: list[Chunk] = []
        self._received = _Direction()
        self._sent = _Direction()
        self._last = b""  # how the latest chunk received begins
        self.began_ns = self.last_ns = time.monotonic_ns()
        self.notes = 0  # how many times bytes crossed
        self.peer_ended = False  # the peer said it is done: end of file, or reset

    @property
    def bytes_in(self) -> int:
        return self._received.total

    @property
    def bytes_out(self) -> int:
        return self._sent.total

    def note(self, inbound: bool, data: Buffer) -> None:
        """`data` crossed just now."""
        size = len(data)
        if not size:
            return
        limits = self._limits
        with self._lock:
            self.last_ns = now = time.monotonic_ns()
            self.notes += 1
            way = self._received if inbound else self._sent
            if inbound:
                self._last = bytes(data[:_LAST_BYTES])
            way.add(data, size, limits.tape_bytes)
            if len(self._chunks) < limits.tape_chunks or way.last_chunk < 0:
                way.last_chunk = len(self._chunks)
                self._chunks.append(Chunk(inbound, (now - self.began_ns) // 1000, size))
            else:
                last = self._chunks[way.last_chunk]
                self._chunks[way.last_chunk] = last._replace(size=last.size + size)

    def snapshot(self, *, digest: bool) -> tuple[Bytes, Bytes, tuple[Chunk, ...]]:
        """Received, sent and the chunks, as they stand. Without `digest` no sha256 is made."""
        with self._lock:
            return (
                self._received.to_bytes(digest=digest),
                self._sent.to_bytes(digest=digest),
                tuple(self._chunks),
            )

    def last_bytes(self, most: int) -> bytes:
        """How the latest chunk received begins, kept or not: at most `most` bytes, or 32."""
        return self._last[:most]
