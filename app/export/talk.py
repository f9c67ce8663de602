"""A request played again as the packets of a conversation: TCP for streams, UDP for datagrams.

Knows tapes, and what the two ends of a connection say to each other. Knows nothing of files.

The packets are made up: real are the bytes, their order and times, and where they are known the
addresses. Of TLS the bytes are those inside. What crossed and was not kept is never filled in:

- in a stream the sequence numbers go on by as many bytes, so that a reader sees a segment that
  was not captured;
- a datagram keeps its true length and is captured only so far.

A comment says how much in either case.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

from app.domain import DATAGRAMS, RequestDetail, RequestSummary, TapeChunk
from app.export.endpoints import endpoints
from app.export.packets import ACK, FIN, PSH, RST, SYN, UDP_LIMIT, Way

# Sequence numbers turn over at 4 GiB and a reader takes what is 2 GiB ahead for behind: a gap
# moves them by no more than this, and the comment has its true length.
_WIDEST_GAP: Final = 2**30

# Nobody saw these end.
_WITHOUT_END: Final = ("open", "lost")


class Packet(NamedTuple):
    at_us: int
    frame: bytes
    size: int  # of the frame as it crossed; more than its bytes if it is cut
    comment: str


def packets(detail: RequestDetail) -> Iterator[Packet]:
    """The conversation of `detail`, in order. An old row does not say its transport: a stream."""
    kind = _Datagrams if detail.summary.transport in DATAGRAMS else _Stream
    return kind(detail).packets()


class _Talk:
    """What both kinds have: two ways, a clock, and a comment for the next packet."""

    def __init__(self, detail: RequestDetail) -> None:
        client, server = endpoints(detail.summary)
        self._detail = detail
        self._row = detail.summary
        self._at_us = detail.summary.started_us
        self._comment = _headline(detail.summary)
        self._ways = {
            True: Way(client, server, from_client=True),
            False: Way(server, client, from_client=False),
        }

    def _crossed(self) -> Iterator[TapeChunk]:
        """The chunks of the tape, then for each direction what crossed after it ended."""
        detail = self._detail
        yield from detail.tape
        for inbound, payload in ((True, detail.received), (False, detail.sent)):
            taped = sum(chunk.size for chunk in detail.tape if chunk.inbound == inbound)
            if taped < payload.total:
                rest = payload.prefix[taped:]
                size = payload.total - taped
                yield TapeChunk(inbound, self._row.duration_us, size, rest)

    def _turn_to(self, offset_us: int) -> None:
        """It is `offset_us` after the start now, or later: time never runs back."""
        self._at_us = max(self._at_us, self._row.started_us + offset_us)

    def _remark(self, inbound: bool, missing: int) -> None:
        whose = "from the client" if inbound else "from the server"
        words = f"{missing} bytes {whose} were not kept"
        self._comment = f"{self._comment}; {words}" if self._comment else words

    def _packet(self, frame: bytes, missing: int = 0) -> Packet:
        comment, self._comment = self._comment, ""
        return Packet(self._at_us, frame, len(frame) + missing, comment)


class _Stream(_Talk):
    """TCP, from the first SYN to the last ACK."""

    def __init__(self, detail: RequestDetail) -> None:
        super().__init__(detail)
        # Its own for each request: a SYN with another number begins another stream for a reader,
        # also where a client came back from the same port.
        first = zlib.crc32(detail.summary.id.encode("utf-8", "backslashreplace"))
        self._next = {True: first, False: zlib.crc32(b"server", first)}  # sequence numbers
        self._skipped = {True: 0, False: 0}  # since the last bytes that were kept

    def packets(self) -> Iterator[Packet]:
        yield self._send(True, SYN)
        yield self._send(False, SYN | ACK)
        yield self._send(True, ACK)
        for chunk in self._crossed():
            self._turn_to(chunk.offset_us)
            yield from self._carry(chunk)
        self._turn_to(self._row.duration_us)
        yield from self._end()

    def _carry(self, chunk: TapeChunk) -> Iterator[Packet]:
        """A chunk in as many segments as it takes, and one acknowledgement of them all."""
        inbound, data = chunk.inbound, chunk.data
        most = self._ways[inbound].segment_bytes
        for start in range(0, len(data), most):
            last = start + most >= len(data)
            flags = ACK | PSH if last else ACK
            yield self._send(inbound, flags, data[start : start + most])
            self._skipped[inbound] = 0
        missing = chunk.size - len(data)
        if missing > 0:
            self._skip(inbound, missing)
        yield self._send(not inbound, ACK)

    def _skip(self, inbound: bool, missing: int) -> None:
        self._remark(inbound, missing)
        step = min(missing, _WIDEST_GAP - self._skipped[inbound])
        self._skipped[inbound] += step
        self._next[inbound] += step

    def _end(self) -> Iterator[Packet]:
        if self._row.outcome in _WITHOUT_END:
            return
        if self._row.outcome == "reset":
            yield self._send(True, RST | ACK)
            return
        first = self._row.closed_by == "client"
        yield self._send(first, FIN | ACK)
        yield self._send(not first, FIN | ACK)
        yield self._send(first, ACK)

    def _send(self, inbound: bool, flags: int, data: bytes = b"") -> Packet:
        seq = self._next[inbound]
        ack = self._next[not inbound] if flags & ACK else 0
        self._next[inbound] += len(data) + bool(flags & (SYN | FIN))
        return self._packet(self._ways[inbound].tcp(seq, ack, flags, data))


class _Datagrams(_Talk):
    """UDP: the datagram that was the request, and those that answered it."""

    def packets(self) -> Iterator[Packet]:
        if not self._row.bytes_in:  # an empty datagram is a request too, and leaves no chunk
            yield self._packet(self._ways[True].udp(b"", 0))
        for chunk in self._crossed():
            self._turn_to(chunk.offset_us)
            yield from self._carry(chunk)

    def _carry(self, chunk: TapeChunk) -> Iterator[Packet]:
        """One datagram; more only of one that is too long for UDP, as a Unix socket's may be.

        Past the bytes that were kept there is no other: the comment says how many are missing.
        """
        way, data = self._ways[chunk.inbound], chunk.data
        missing = chunk.size - len(data)
        if missing > 0:
            self._remark(chunk.inbound, missing)
        for start in range(0, max(len(data), 1), UDP_LIMIT):
            piece = data[start : start + UDP_LIMIT]
            size = min(chunk.size - start, UDP_LIMIT)
            yield self._packet(way.udp(piece, size), size - len(piece))


def _headline(row: RequestSummary) -> str:
    """Which request it is: what its first packet says."""
    words = f"request {row.id} of {row.server}: {row.outcome}"
    if row.truncated:
        words += "; its datagram was longer than the server takes"
    return words
