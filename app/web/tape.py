"""A request's tape as lines that line up: sixteen bytes each, and gaps in words.

Knows no HTML: a template sets the lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from app.domain import Payload, RequestDetail, TapeChunk
from app.web.filters import ascii_text, exact, hexdump
from app.web.jump import Byte

LINE_BYTES = 16
HALF = LINE_BYTES // 2

#: Lines shown unless all are asked for. Enough for 32,000 bytes, and light for a browser.
LINE_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class TapeLine:
    """Up to sixteen bytes in two halves, from the byte `start` of their direction on; `at_us` and
    `size` stand on a chunk's first line. `marked`: the byte of the line that is looked for."""

    inbound: bool
    start: int
    hex: tuple[str, str]
    text: tuple[str, str]
    at_us: int | None = None
    size: int | None = None
    marked: int | None = None


@dataclass(frozen=True, slots=True)
class Gap:
    """Bytes that are not shown, in words."""

    words: str


@dataclass(frozen=True, slots=True)
class Tape:
    lines: tuple[TapeLine | Gap, ...]
    hidden: int  # lines left out after these because of the limit
    earlier: int = 0  # and before them


def tape(
    detail: RequestDetail, limit: int | None = LINE_LIMIT, marked: Byte | None = None
) -> Tape:
    """At most `limit` lines, those about the byte that is marked; None: all."""
    total = sum(map(_height, detail.tape)) + len(list(_gaps(detail)))
    index = None if marked is None else _line_of(detail, marked)
    most = total if limit is None else limit
    first = 0 if index is None or index < most else index - most // 2
    shown = list(islice(_lines(detail), first, first + most))
    if marked is not None and index is not None:
        line = shown[index - first]
        assert isinstance(line, TapeLine)
        shown[index - first] = replace(line, marked=marked.offset - line.start)
    return Tape(tuple(shown), total - first - len(shown), first)


def _line_of(detail: RequestDetail, byte: Byte) -> int | None:
    """Which line has it, if one does."""
    above, at = 0, [0, 0]
    for chunk in detail.tape:
        place = byte.offset - at[chunk.inbound]
        if chunk.inbound == byte.inbound and 0 <= place < len(chunk.data):
            return above + place // LINE_BYTES
        at[chunk.inbound] += chunk.size
        above += _height(chunk)
    return None


def _height(chunk: TapeChunk) -> int:
    """How many lines `_chunk_lines` makes of it."""
    lines = max(1, -(-len(chunk.data) // LINE_BYTES))
    return lines + (0 < len(chunk.data) < chunk.size)


def _lines(detail: RequestDetail) -> Iterator[TapeLine | Gap]:
    started_us = detail.summary.started_us
    at = [0, 0]
    for chunk in detail.tape:
        yield from _chunk_lines(chunk, started_us, at[chunk.inbound])
        at[chunk.inbound] += chunk.size
    yield from _gaps(detail)


def _gaps(detail: RequestDetail) -> Iterator[Gap]:
    """What is missing at the end of the tape."""
    for inbound, payload in ((True, detail.received), (False, detail.sent)):
        yield from _missing(detail, inbound, payload)


def _chunk_lines(chunk: TapeChunk, started_us: int, at: int) -> Iterator[TapeLine | Gap]:
    for start in range(0, max(len(chunk.data), 1), LINE_BYTES):
        piece = chunk.data[start : start + LINE_BYTES]
        halves = piece[:HALF], piece[HALF:]
        first = start == 0
        yield TapeLine(
            inbound=chunk.inbound,
            start=at + start,
            hex=(hexdump(halves[0]), hexdump(halves[1])),
            text=(ascii_text(halves[0]), ascii_text(halves[1])),
            at_us=started_us + chunk.offset_us if first else None,
            size=chunk.size if first else None,
        )
    left_out = chunk.size - len(chunk.data)
    if left_out and chunk.data:
        yield Gap(f"{_bytes(left_out)} more crossed here; they were not kept")


def _missing(detail: RequestDetail, inbound: bool, payload: Payload) -> Iterator[Gap]:
    whose = "from the client" if inbound else "from the handler"
    taped = sum(chunk.size for chunk in detail.tape if chunk.inbound == inbound)
    if taped < payload.total:
        yield Gap(f"{_bytes(payload.total - taped)} {whose} crossed after the end of this tape")
    if payload.truncated:
        kept = f"the first {exact(len(payload.prefix))}" if payload.prefix else "none"
        digest = f"; sha256 of all of them: {payload.sha256}" if payload.sha256 else ""
        yield Gap(f"kept: {kept} of {_bytes(payload.total)} {whose}{digest}")


def _bytes(number: int) -> str:
    return "1 byte" if number == 1 else f"{exact(number)} bytes"
