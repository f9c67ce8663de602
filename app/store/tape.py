"""A tape as bytes: which way each chunk went, when, and how long it was.

The bytes themselves are in the two prefixes, so a payload is stored once. Knows nothing of SQL.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from app.domain import TapeChunk, played
from sockcore.events import Chunk

# A chunk is two little-endian 64-bit numbers: its offset in microseconds, then its size with the
# direction in the lowest bit. Not 32 bits: a connection lasts days, and late chunks are joined.
CHUNK_BYTES = 16
_pack_chunk = struct.Struct("<QQ").pack


def pack_chunks(chunks: Sequence[Chunk]) -> bytes:
    """Pack `chunks` into CHUNK_BYTES each, in order."""
    return b"".join(
        [_pack_chunk(offset_us, size << 1 | inbound) for inbound, offset_us, size in chunks]
    )


def unpack_tape(packed: bytes, received: bytes, sent: bytes) -> tuple[TapeChunk, ...]:
    """The chunks that `pack_chunks` packed, each with its part of the kept prefixes.

    Raises: ValueError if `packed` is not whole chunks.
    """
    if len(packed) % CHUNK_BYTES:
        raise ValueError(f"a tape of {len(packed)} bytes is not a multiple of {CHUNK_BYTES}")
    chunks = (
        (bool(size_and_direction & 1), offset_us, size_and_direction >> 1)
        for offset_us, size_and_direction in struct.iter_unpack("<QQ", packed)
    )
    return tuple(played(chunks, received, sent))
