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

#: The pile of notes is accounted for at this many, or at once after so many bytes.
_PILE_NOTES = 32
_PILE_BYTES = 4096

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

    def add(self, data: bytes, size: int, limit: int) -> None:
        self.total += size
        room = limit - self.kept
        if size <= room:
            self.parts.append(data)
            self.kept += size
            return
        if self.digest is None:
            self.digest = hashlib.sha256(b"".join(self.parts))
        self.digest.update(data)
        if room > 0:
            self.parts.append(data[:room])
            self.kept = limit

    def to_bytes(self, *, digest: bool) -> Bytes:
        if not self.total:
            return Bytes()
        if len(self.parts) > 1:
            self.parts = [b"".join(self.parts)]
        prefix = self.parts[0] if self.parts else b""
        if not digest:
            return Bytes(prefix, self.total)
        whole = self.digest if self.digest is not None else hashlib.sha256(prefix)
        return Bytes(prefix, self.total, whole.digest())


class Tape:
    """Records what crosses, both ways.

    A note is only put on a pile; the accounts are made when somebody asks, or when the pile has
    grown. So a short request is accounted for once, at its end.

    Thread: any; a handler may read in one thread and write in another.
    """

    __slots__ = (
        "_chunks",
        "_last",
        "_limits",
        "_lock",
        "_pile",
        "_received",
        "_sent",
        "away_ns",
        "began_ns",
        "last_ns",
        "notes",
        "peer_ended",
        "reading",
        "writing",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lock = threading.Lock()  # guards the accounts: the chunks and both directions
        self._pile: list[tuple[bool, int, bytes]] = []  # (inbound, monotonic ns, data)
        self._chunks: list[Chunk] = []
        self._received = _Direction()
        self._sent = _Direction()
        self._last = b""  # how the latest chunk received begins
        self.began_ns = self.last_ns = self.away_ns = time.monotonic_ns()
        self.reading = self.writing = False  # whether a call of it is under way
        # away_ns: when such a call was last over, with bytes or without
        self.notes = 0  # how many times bytes crossed; changes whenever they do
        self.peer_ended = False  # the peer said it is done: end of file, or reset

    @property
    def bytes_in(self) -> int:
        self._account()
        return self._received.total

    @property
    def bytes_out(self) -> int:
        self._account()
        return self._sent.total

    def note(self, inbound: bool, data: Buffer, at_ns: int | None = None) -> None:
        """`data` crossed just now, or at `at_ns`, monotonic."""
        if not data:
            return
        self.last_ns = self.away_ns = now = at_ns or time.monotonic_ns()
        self.notes += 1
        pile = self._pile
        pile.append((inbound, now, data if type(data) is bytes else bytes(data)))
        if len(pile) >= _PILE_NOTES or len(data) >= _PILE_BYTES:
            self._account()

    def _account(self) -> None:
        if not self._pile:
            return
        with self._lock:
            pile = self._pile
            # In two steps, each of which another thread's append() comes before or after.
            count = len(pile)
            for inbound, at_ns, data in pile[:count]:
                self._enter(inbound, at_ns, data)
            del pile[:count]

    def _enter(self, inbound: bool, at_ns: int, data: bytes) -> None:
        size = len(data)
        way = self._received if inbound else self._sent
        if inbound:
            self._last = data[:_LAST_BYTES]
        way.add(data, size, self._limits.tape_bytes)
        chunks = self._chunks
        if len(chunks) < self._limits.tape_chunks or way.last_chunk < 0:
            way.last_chunk = len(chunks)
            chunks.append(Chunk(inbound, (at_ns - self.began_ns) // 1000, size))
        else:
            last = chunks[way.last_chunk]
            chunks[way.last_chunk] = last._replace(size=last.size + size)

    def snapshot(self, *, digest: bool) -> tuple[Bytes, Bytes, tuple[Chunk, ...]]:
        """Received, sent and the chunks, as they stand. Without `digest` no sha256 is made."""
        self._account()
        with self._lock:
            return (
                self._received.to_bytes(digest=digest),
                self._sent.to_bytes(digest=digest),
                tuple(self._chunks),
            )

    def last_bytes(self, most: int) -> bytes:
        """How the latest chunk received begins, kept or not: at most `most` bytes, or 32."""
        self._account()
        return self._last[:most]
