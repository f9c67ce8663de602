"""Going to one byte of a request: of one direction, or of a chunk. Which it is, or why it is none.

Knows requests as values. Knows nothing of HTML.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from app.domain import RequestDetail
from app.web.filters import exact

_NUMBER: Final = re.compile(r"0[xX]([0-9a-fA-F]{1,12})|([0-9]{1,15})")

_NOTHING: Final = "No byte crossed."

#: Chunks that the form offers; the address of the page takes any.
MOST_OFFERED: Final = 200


@dataclass(frozen=True, slots=True)
class Byte:
    """The byte at `offset` of what came from the client, or of what went to it."""

    inbound: bool
    offset: int


@dataclass(frozen=True, slots=True)
class Jump:
    """`of`: `received`, `sent`, or the number of a chunk, from 1 on. `at`: as it was typed."""

    of: str = "received"
    at: str = ""
    byte: Byte | None = None
    error: str | None = None


def jump(detail: RequestDetail, of: str, at: str) -> Jump:
    """Where to go to. Nothing is wrong with a form that was left empty."""
    if not at.strip():
        return Jump(of or "received")
    found = _byte(detail, of, at)
    return Jump(of, at, error=found) if isinstance(found, str) else Jump(of, at, found)


def _byte(detail: RequestDetail, of: str, at: str) -> Byte | str:
    """The byte; in words why there is none."""
    number = _NUMBER.fullmatch(at.strip().replace(",", ""))
    if number is None:
        return "A byte is a number from 0 on: 500, or 0x1f4."
    offset = int(number[1], 16) if number[1] else int(number[2])
    if of in ("received", "sent"):
        return _of_direction(detail, of == "received", offset)
    return _of_chunk(detail, of, offset)


def _of_direction(detail: RequestDetail, inbound: bool, offset: int) -> Byte | str:
    payload = detail.received if inbound else detail.sent
    verb = "received" if inbound else "sent"
    if offset >= payload.total:
        return _outside(payload.total, verb)
    if offset >= len(payload.prefix):
        kept = f"the first {exact(len(payload.prefix))}" if payload.prefix else "none"
        were = "were" if payload.total > 1 else "was"
        bytes_ = f"{exact(payload.total)} byte{'s' if payload.total > 1 else ''}"
        return f"Of {bytes_} that {were} {verb} {kept} {were} kept."
    taped = sum(chunk.size for chunk in detail.tape if chunk.inbound == inbound)
    if offset >= taped:
        return "That byte crossed after the end of this tape. Save the bytes as a file to see it."
    return Byte(inbound, offset)


def _of_chunk(detail: RequestDetail, of: str, offset: int) -> Byte | str:
    chunks = detail.tape
    number = int(of) if of.isascii() and of.isdigit() and len(of) < 10 else 0
    if not 1 <= number <= len(chunks):
        return f"Chunks have numbers from 1 to {exact(len(chunks))}." if chunks else _NOTHING
    chunk = chunks[number - 1]
    if offset >= chunk.size:
        return _outside(chunk.size, f"in chunk {number}")
    if offset >= len(chunk.data):
        return "That byte was not kept."
    before = sum(c.size for c in chunks[: number - 1] if c.inbound == chunk.inbound)
    return Byte(chunk.inbound, before + offset)


def _outside(total: int, where: str) -> str:
    if not total:
        return f"No byte was {where}."
    last = f"{exact(total - 1)} (0x{total - 1:x})"
    count = "1 byte was" if total == 1 else f"{exact(total)} bytes were"
    return f"{count} {where}: 0 to {last}."
