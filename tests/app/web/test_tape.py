from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from app.domain import Payload, RequestDetail, TapeChunk
from app.web.jump import Byte
from app.web.tape import LINE_LIMIT, Gap, TapeLine, tape
from tests.app.web.test_words import ROW


def detail(*chunks: TapeChunk, received: Payload, sent: Payload) -> RequestDetail:
    summary = replace(ROW, bytes_in=received.total, bytes_out=sent.total)
    return RequestDetail(
        summary=summary, traceback=None, received=received, sent=sent, tape=chunks
    )


NOTHING = Payload(b"", 0, "")


@given(st.lists(st.tuples(st.booleans(), st.binary(min_size=1, max_size=70)), max_size=6))
def test_every_byte_is_on_the_tape_once_and_in_order(pieces: list[tuple[bool, bytes]]) -> None:
    chunks = [TapeChunk(inbound, i, len(data), data) for i, (inbound, data) in enumerate(pieces)]
    both = [b"".join(data for inbound, data in pieces if inbound == way) for way in (True, False)]
    received, sent = (Payload(data, len(data), "ab") for data in both)
    shown = tape(detail(*chunks, received=received, sent=sent), None)
    lines = [line for line in shown.lines if isinstance(line, TapeLine)]
    assert len(lines) == len(shown.lines)  # nothing is missing, so there is no gap
    for way, data in zip((True, False), both, strict=True):
        text = " ".join(half for line in lines if line.inbound == way for half in line.hex)
        assert bytes.fromhex(text) == data
    assert [line.size for line in lines if line.size is not None] == [c.size for c in chunks]


def test_what_was_not_kept_is_told_in_words() -> None:
    chunk = TapeChunk(True, 5, 1_000, b"x" * 20)
    shown = tape(detail(chunk, received=Payload(b"x" * 20, 1_500, "c0ffee"), sent=NOTHING))
    words = [line.words for line in shown.lines if isinstance(line, Gap)]
    assert words == [
        "980 bytes more crossed here; they were not kept",
        "500 bytes from the client crossed after the end of this tape",
        "kept: the first 20 of 1,500 bytes from the client; sha256 of all of them: c0ffee",
    ]


def test_where_nothing_is_kept_the_sizes_are_told() -> None:
    chunk = TapeChunk(True, 5, 1_000, b"")
    shown = tape(detail(chunk, received=Payload(b"", 1_000, "c0ffee"), sent=NOTHING))
    line, gap = shown.lines
    assert isinstance(line, TapeLine)
    assert (line.size, line.hex) == (1_000, ("", ""))
    words = "kept: none of 1,000 bytes from the client"
    assert gap == Gap(f"{words}; sha256 of all of them: c0ffee")
    assert tape(detail(received=Payload(b"", 1_000, ""), sent=NOTHING)).lines[-1] == Gap(words)


def test_a_long_tape_is_cut_and_says_by_how_much() -> None:
    data = bytes(16 * (LINE_LIMIT + 7))
    chunk = TapeChunk(True, 0, len(data), data)
    whole = detail(chunk, received=Payload(data, len(data), "ab"), sent=NOTHING)
    assert (len(tape(whole).lines), tape(whole).hidden) == (LINE_LIMIT, 7)
    assert (len(tape(whole, None).lines), tape(whole, None).hidden) == (LINE_LIMIT + 7, 0)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 70), st.integers(0, 70)), max_size=6),
    st.integers(1, 9),
)
def test_a_part_of_a_tape_and_what_is_hidden_are_all_of_it(
    pieces: list[tuple[bool, int, int]], limit: int
) -> None:
    chunks = [TapeChunk(way, 0, size, b"x" * min(size, kept)) for way, size, kept in pieces]
    received, sent = (
        Payload(b"", sum(size for inbound, size, _ in pieces if inbound is way), "ab")
        for way in (True, False)
    )
    talk = detail(*chunks, received=received, sent=sent)
    whole, part = tape(talk, None), tape(talk, limit)
    assert part.lines == whole.lines[:limit]
    assert (part.hidden, whole.hidden) == (max(0, len(whole.lines) - limit), 0)
    for line in whole.lines:
        if isinstance(line, TapeLine) and any(line.text):
            about = tape(talk, limit, Byte(line.inbound, line.start))
            assert replace(line, marked=0) in about.lines
            assert about.earlier + len(about.lines) + about.hidden == len(whole.lines)
