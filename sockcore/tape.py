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

#: Received, sent, and the chunks of both.
Snapshot = tuple[Bytes, Bytes, tuple[Chunk, ...]]

#: Held for a moment, to open the accounts of any tape: one that needs none has no lock.
_opening = threading.Lock()

_now, _sha256 = time.monotonic_ns, hashlib.sha256
_tuple = tuple.__new__  # a NamedTuple's own is four times as dear


class _Direction:
    """What crossed one way. Guarded by the lock of its accounts."""

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

    def to_bytes(self, digest: bool) -> Bytes:
        if not self.total:
            return Bytes()
        if len(self.parts) > 1:
            self.parts = [b"".join(self.parts)]
        prefix = self.parts[0] if self.parts else b""
        if not digest:
            return Bytes(prefix, self.total)
        whole = self.digest if self.digest is not None else hashlib.sha256(prefix)
        return Bytes(prefix, self.total, whole.digest())


class _Accounts:
    """What a tape amounts to. Guarded by its lock."""

    __slots__ = ("chunks", "last", "lock", "received", "sent")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.chunks: list[Chunk] = []
        self.received = _Direction()
        self.sent = _Direction()
        self.last = b""  # how the latest chunk received begins

    def enter(self, inbound: bool, offset_us: int, data: bytes, limits: Limits) -> None:
        size = len(data)
        way = self.received if inbound else self.sent
        if inbound:
            self.last = data[:_LAST_BYTES]
        way.add(data, size, limits.tape_bytes)
        chunks = self.chunks
        if len(chunks) < limits.tape_chunks or way.last_chunk < 0:
            way.last_chunk = len(chunks)
            chunks.append(Chunk(inbound, offset_us, size))
        else:
            last = chunks[way.last_chunk]
            chunks[way.last_chunk] = last._replace(size=last.size + size)

    def snapshot(self, digest: bool) -> Snapshot:
        received, sent = self.received.to_bytes(digest), self.sent.to_bytes(digest)
        return received, sent, tuple(self.chunks)


class Tape:
    """Records what crosses, both ways.

    A note is only put on a pile; the accounts are made when somebody asks, or when the pile has
    grown. A short request that ends has none: it is told from its pile.

    Thread: any; a handler may read in one thread and write in another.
    """

    __slots__ = (
        "_accounts",
        "_limits",
        "_pile",
        "away_ns",
        "began_ns",
        "last_ns",
        "peer_ended",
        "reading",
        "writing",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._accounts: _Accounts | None = None
        self._pile: list[tuple[bool, int, bytes]] = []  # (inbound, monotonic ns, data)
        # When bytes last crossed; and when a call for it was last over, with bytes or without.
        self.last_ns = self.away_ns = self.began_ns = time.monotonic_ns()
        self.reading = self.writing = False  # whether such a call is under way
        self.peer_ended = False  # the peer said it is done: end of file, or reset

    @property
    def bytes_in(self) -> int:
        accounts = self._account()
        return accounts.received.total if accounts is not None else 0

    @property
    def bytes_out(self) -> int:
        accounts = self._account()
        return accounts.sent.total if accounts is not None else 0

    def note(self, inbound: bool, data: Buffer, at_ns: int | None = None) -> None:
        """`data` crossed just now, or at `at_ns`, monotonic."""
        if type(data) is not bytes:
            data = bytes(data)
        if not data:
            return
        self.last_ns = self.away_ns = now = at_ns or _now()
        pile = self._pile
        pile.append((inbound, now, data))
        if len(pile) >= _PILE_NOTES or len(data) >= _PILE_BYTES:
            self._account()

    def _account(self) -> _Accounts | None:
        """Returns: the accounts as they stand; None while nothing has crossed."""
        pile = self._pile
        if not pile:
            return self._accounts
        accounts = self._accounts or self._open_accounts()
        with accounts.lock:
            # In two steps, each of which another thread's append() comes before or after.
            count = len(pile)
            for inbound, at_ns, data in pile[:count]:
                accounts.enter(inbound, (at_ns - self.began_ns) // 1000, data, self._limits)
            del pile[:count]
        return accounts

    def _open_accounts(self) -> _Accounts:
        with _opening:
            if self._accounts is None:
                self._accounts = _Accounts()
            return self._accounts

    def snapshot(self, *, digest: bool) -> Snapshot:
        """Received, sent and the chunks, as they stand. Without `digest` no sha256 is made."""
        short = self._of_pile(digest)
        # Asked afterwards: whoever opened accounts may have taken from the pile meanwhile.
        if short is not None and self._accounts is None:
            return short
        accounts = self._account()
        assert accounts is not None  # there are some, or there was more on the pile than is kept
        with accounts.lock:
            return accounts.snapshot(digest)

    def _of_pile(self, digest: bool) -> Snapshot | None:
        """The same of a short request, all of which is still on the pile, at a third of the cost;
        None when it has more than is kept."""
        began_ns, limits = self.began_ns, self._limits
        received: list[bytes] = []
        sent: list[bytes] = []
        chunks = []
        for inbound, at_ns, data in tuple(self._pile):
            (received if inbound else sent).append(data)
            chunks.append(_tuple(Chunk, (inbound, (at_ns - began_ns) // 1000, len(data))))
        came, went = b"".join(received), b"".join(sent)
        most = limits.tape_bytes
        if len(came) > most or len(went) > most or len(chunks) > limits.tape_chunks:
            return None
        return (
            _tuple(Bytes, (came, len(came), _sha256(came).digest() if digest and came else b"")),
            _tuple(Bytes, (went, len(went), _sha256(went).digest() if digest and went else b"")),
            tuple(chunks),
        )

    @property
    def last_bytes(self) -> bytes:
        """How the latest chunk received begins, kept or not: at most 32 bytes."""
        accounts = self._account()
        return accounts.last if accounts is not None else b""
