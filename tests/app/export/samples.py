"""Requests as the log gives them, for the tests of what is exported of it."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from app.domain import Payload, RequestDetail, RequestSummary, TapeChunk

#: 2026-03-14 12:00:00 UTC.
NOON_US = 1_773_489_600_000_000

#: Inbound, the bytes that crossed.
Said = list[tuple[bool, bytes]]


def request(
    number: int = 1, said: Said | None = None, *, kept: int | None = None, **changes: Any
) -> RequestDetail:
    """Request `number`: a chunk every 100 µs, of each direction the first `kept` bytes kept.

    `changes` are of its summary.
    """
    said = [] if said is None else said
    received, sent = payload(said, True, kept), payload(said, False, kept)
    tape = []
    played = {True: 0, False: 0}
    for place, (inbound, data) in enumerate(said):
        start = played[inbound]
        played[inbound] = end = start + len(data)
        prefix = (received if inbound else sent).prefix
        tape.append(TapeChunk(inbound, place * 100, len(data), prefix[start:end]))
    summary = RequestSummary(
        id=f"20260314-{number}",
        server="hall",
        peer="127.0.0.1:50122",
        connection_id=number,
        started_us=NOON_US + number * 1_000_000,
        duration_us=len(said) * 100 + 5,
        bytes_in=received.total,
        bytes_out=sent.total,
        outcome="ok",
        closed_by="client",
        error=None,
        preview=received.prefix[:64],
        transport="tcp",
        address="127.0.0.1:50900",
    )
    return RequestDetail(
        summary=replace(summary, **changes),
        traceback=None,
        received=received,
        sent=sent,
        tape=tuple(tape),
    )


def payload(said: Said, inbound: bool, kept: int | None) -> Payload:
    data = b"".join(data for way, data in said if way == inbound)
    return Payload(data[:kept], len(data), hashlib.sha256(data).hexdigest() if data else "")


_PLACES = st.sampled_from(
    ["127.0.0.1:50122", "[2001:db8::7]:50122", "[fe80::1%eth0]:1", "0.0.0.0:80", "[::]:80", ""]
)
_NUMBERS = st.integers(0, 2**63 - 1)
# Some are longer than a packet.
_DATA = st.builds(bytes.__mul__, st.binary(min_size=1, max_size=40), st.sampled_from([1, 1, 90]))
_SAID = st.lists(st.tuples(st.booleans(), _DATA), max_size=5)


@st.composite
def requests(draw: st.DrawFn) -> RequestDetail:
    """Any that the log may have."""
    said = draw(_SAID)
    detail = request(
        said=said,
        kept=draw(st.none() | st.integers(0, 4000)),
        id=draw(st.from_regex(r"[0-9]{8}-[0-9]{1,9}", fullmatch=True)),
        server=draw(st.text()),
        peer=draw(_PLACES | st.text()),
        address=draw(_PLACES | st.text()),
        connection_id=draw(_NUMBERS),
        started_us=draw(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)),
        duration_us=draw(_NUMBERS),
        outcome=draw(st.sampled_from(["ok", "open", "lost", "reset", "error"])),
        closed_by=draw(st.sampled_from(["client", "handler", None])),
        error=draw(st.none() | st.text()),
        transport=draw(st.sampled_from(["tcp", "udp", "unix", "unix-datagram", ""])),
        truncated=draw(st.booleans()),
    )
    offsets = draw(st.lists(_NUMBERS, min_size=len(said), max_size=len(said)))
    tape = tuple(
        replace(chunk, offset_us=offset)
        for chunk, offset in zip(detail.tape, offsets, strict=True)
    )
    return replace(detail, traceback=draw(st.none() | st.text()), tape=tape)
