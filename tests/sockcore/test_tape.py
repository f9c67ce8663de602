"""The tape: true sizes and digests, a bounded prefix, bounded chunks, for any way bytes come."""

from __future__ import annotations

import hashlib
import threading

from hypothesis import given
from hypothesis import strategies as st

from sockcore.events import Bytes, Chunk
from sockcore.limits import Limits
from sockcore.tape import Tape

PIECES = st.lists(st.tuples(st.booleans(), st.binary(max_size=40)), max_size=30)
BYTES_LIMITS = st.integers(0, 200)
CHUNK_LIMITS = st.integers(1, 12)


def recorded(pieces: list[tuple[bool, bytes]], limits: Limits) -> Tape:
    tape = Tape(limits)
    for inbound, data in pieces:
        tape.note(inbound, data)
    return tape


def way(pieces: list[tuple[bool, bytes]], inbound: bool) -> bytes:
    return b"".join(data for direction, data in pieces if direction is inbound)


def expected(data: bytes, limit: int) -> Bytes:
    if not data:
        return Bytes()
    return Bytes(data[:limit], len(data), hashlib.sha256(data).digest())


@given(PIECES, BYTES_LIMITS, CHUNK_LIMITS)
def test_prefix_total_and_digest_are_right(
    pieces: list[tuple[bool, bytes]], limit: int, chunks: int
) -> None:
    tape = recorded(pieces, Limits(tape_bytes=limit, tape_chunks=chunks))
    received, sent, _ = tape.snapshot(digest=True)
    assert received == expected(way(pieces, True), limit)
    assert sent == expected(way(pieces, False), limit)
    assert (tape.bytes_in, tape.bytes_out) == (received.total, sent.total)


@given(PIECES, st.lists(st.booleans(), min_size=30, max_size=30), BYTES_LIMITS)
def test_snapshots_on_the_way_change_nothing(
    pieces: list[tuple[bool, bytes]], digests: list[bool], limit: int
) -> None:
    limits = Limits(tape_bytes=limit)
    tape = Tape(limits)
    for (inbound, data), digest in zip(pieces, digests, strict=False):
        tape.note(inbound, data)
        tape.snapshot(digest=digest)
    received, sent, chunks = tape.snapshot(digest=True)
    assert received == expected(way(pieces, True), limit)
    assert sent == expected(way(pieces, False), limit)
    assert [(c.inbound, c.size) for c in chunks] == [(d, len(b)) for d, b in pieces if b]


@given(PIECES, BYTES_LIMITS)
def test_snapshot_without_digest_says_the_rest(
    pieces: list[tuple[bool, bytes]], limit: int
) -> None:
    tape = recorded(pieces, Limits(tape_bytes=limit))
    received, sent, _ = tape.snapshot(digest=False)
    assert received == expected(way(pieces, True), limit)._replace(sha256=b"")
    assert sent == expected(way(pieces, False), limit)._replace(sha256=b"")


@given(PIECES, CHUNK_LIMITS)
def test_chunks_are_capped_and_still_sum_up(pieces: list[tuple[bool, bytes]], most: int) -> None:
    tape = recorded(pieces, Limits(tape_chunks=most))
    received, sent, chunks = tape.snapshot(digest=False)
    assert sum(c.size for c in chunks if c.inbound) == received.total
    assert sum(c.size for c in chunks if not c.inbound) == sent.total
    assert len(chunks) <= most + 1  # a direction that comes late still gets its one
    kept = [(direction, len(data)) for direction, data in pieces if data][: max(0, most)]
    assert [c.inbound for c in chunks[:most]] == [direction for direction, _ in kept]


@given(PIECES)
def test_offsets_never_go_back(pieces: list[tuple[bool, bytes]]) -> None:
    _, _, chunks = recorded(pieces, Limits()).snapshot(digest=False)
    offsets = [chunk.offset_us for chunk in chunks]
    assert offsets == sorted(offsets)
    assert all(offset >= 0 for offset in offsets)


@given(PIECES, BYTES_LIMITS, CHUNK_LIMITS)
def test_last_bytes_begin_the_latest_chunk_received(
    pieces: list[tuple[bool, bytes]], limit: int, chunks: int
) -> None:
    """Whatever the limits keep of it."""
    tape = recorded(pieces, Limits(tape_bytes=limit, tape_chunks=chunks))
    received = [data for inbound, data in pieces if inbound and data]
    assert tape.last_bytes == (received[-1][:32] if received else b"")


def test_chunks_over_the_cap_join_the_last_of_their_direction() -> None:
    tape = Tape(Limits(tape_chunks=3))
    for inbound, size in [(True, 1), (False, 2), (True, 4), (True, 8), (False, 16), (True, 32)]:
        tape.note(inbound, bytes(size))
    _, _, chunks = tape.snapshot(digest=False)
    assert [(c.inbound, c.size) for c in chunks] == [(True, 1), (False, 18), (True, 44)]


def test_direction_that_comes_late_gets_a_chunk_over_the_cap() -> None:
    tape = Tape(Limits(tape_chunks=2))
    for inbound, size in [(True, 1), (True, 2), (True, 4), (False, 8), (False, 16)]:
        tape.note(inbound, bytes(size))
    _, _, chunks = tape.snapshot(digest=False)
    assert [(c.inbound, c.size) for c in chunks] == [(True, 1), (True, 6), (False, 24)]


def test_nothing_is_nothing() -> None:
    tape = Tape(Limits())
    tape.note(True, b"")
    assert tape.snapshot(digest=True) == (Bytes(), Bytes(), ())
    assert tape.last_ns == tape.began_ns
    assert tape.last_bytes == b""


def test_with_no_room_nothing_is_kept_and_all_is_counted_and_digested() -> None:
    tape = Tape(Limits(tape_bytes=0))
    assert tape.snapshot(digest=True) == (Bytes(), Bytes(), ())
    tape.note(True, b"first")  # told from the pile, were there room
    assert tape.snapshot(digest=True)[:2] == (expected(b"first", 0), Bytes())
    tape.note(True, b"second")
    tape.note(False, b"answer")
    received, sent, chunks = tape.snapshot(digest=True)
    assert (received, sent) == (expected(b"firstsecond", 0), expected(b"answer", 0))
    assert [(chunk.inbound, chunk.size) for chunk in chunks] == [(True, 5), (True, 6), (False, 6)]
    assert (tape.bytes_in, tape.bytes_out) == (11, 6)


def test_buffer_may_be_reused_by_its_owner() -> None:
    tape = Tape(Limits(tape_bytes=6))
    buffer = bytearray(b"first")
    tape.note(True, buffer)
    buffer[:] = b"AGAIN"
    tape.note(True, memoryview(buffer)[:3])
    buffer[:] = b"?????"
    received, _, _ = tape.snapshot(digest=True)
    assert received == expected(b"firstAGA", 6)
    assert tape.last_bytes == b"AGA"


def test_snapshot_stays_as_it_was() -> None:
    tape = Tape(Limits())
    tape.note(True, b"before")
    before = tape.snapshot(digest=True)
    tape.note(True, b"after")
    assert before[0] == expected(b"before", 99)
    assert [chunk[::2] for chunk in before[2]] == [(True, 6)]
    assert isinstance(before[2][0], Chunk)


def test_two_threads_lose_nothing() -> None:
    tape = Tape(Limits(tape_bytes=1000, tape_chunks=50))
    begin = threading.Barrier(4)

    def note(inbound: bool) -> None:
        begin.wait()
        for _ in range(2000):
            tape.note(inbound, b"\x01\x02\x03")

    threads = [threading.Thread(target=note, args=(n % 2 == 0,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    received, sent, chunks = tape.snapshot(digest=True)
    assert received == sent == expected(b"\x01\x02\x03" * 4000, 1000)
    assert sum(chunk.size for chunk in chunks) == 24000
