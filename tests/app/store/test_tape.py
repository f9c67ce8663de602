from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.domain import TapeChunk
from app.store.tape import CHUNK_BYTES, pack_chunks, unpack_tape
from sockcore.events import Chunk

chunks = st.lists(
    st.builds(Chunk, st.booleans(), st.integers(0, 2**64 - 1), st.integers(0, 2**63 - 1))
)
pieces = st.lists(st.tuples(st.booleans(), st.binary(max_size=40)))


@given(chunks)
def test_every_chunk_comes_back_in_order(tape: list[Chunk]) -> None:
    packed = pack_chunks(tape)
    assert len(packed) == len(tape) * CHUNK_BYTES
    unpacked = unpack_tape(packed, b"", b"")
    assert [Chunk(chunk.inbound, chunk.offset_us, chunk.size) for chunk in unpacked] == tape


@given(pieces, st.integers(0, 60))
def test_a_chunk_gets_its_own_bytes_as_far_as_they_were_kept(
    said: list[tuple[bool, bytes]], kept: int
) -> None:
    received = b"".join(data for inbound, data in said if inbound)
    sent = b"".join(data for inbound, data in said if not inbound)
    packed = pack_chunks([Chunk(inbound, 0, len(data)) for inbound, data in said])

    whole = unpack_tape(packed, received, sent)
    assert [(chunk.inbound, chunk.data) for chunk in whole] == said

    cut = unpack_tape(packed, received[:kept], sent[:kept])
    assert [chunk.size for chunk in cut] == [len(data) for _, data in said]
    assert b"".join(chunk.data for chunk in cut if chunk.inbound) == received[:kept]
    assert b"".join(chunk.data for chunk in cut if not chunk.inbound) == sent[:kept]


def test_a_chunk_past_the_kept_prefix_has_a_size_and_no_bytes() -> None:
    packed = pack_chunks([Chunk(True, 0, 4), Chunk(False, 7, 9), Chunk(True, 2**40, 2**33)])
    assert unpack_tape(packed, b"abcd", b"0123") == (
        TapeChunk(True, 0, 4, b"abcd"),
        TapeChunk(False, 7, 9, b"0123"),
        TapeChunk(True, 2**40, 2**33, b""),
    )


def test_a_tape_cut_in_the_middle_of_a_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="17 bytes"):
        unpack_tape(bytes(17), b"", b"")
