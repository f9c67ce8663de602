"""Framings: any split of a stream gives the same messages; bounds hold; nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sockcore import (
    DatagramFraming,
    DelimiterFraming,
    FixedFraming,
    FrameError,
    FrameTooLong,
    Framing,
    IdleGapFraming,
    LengthFraming,
    LineFraming,
    RawFraming,
)

FRAMINGS: dict[str, Framing] = {
    "line": LineFraming(),
    "crlf": LineFraming(end=b"\r\n"),
    "delimiter": DelimiterFraming(b"\x03"),
    "long delimiter": DelimiterFraming(b"--x--"),
    "fixed": FixedFraming(4),
    **{
        f"length {size} {order} {own}": LengthFraming(size, order, own)
        for size in (1, 2, 4)
        for order in ("big", "little")
        for own in (False, True)
    },
}

#: Letters of the delimiters are frequent, so that halves of them occur.
PIECES = st.lists(st.sampled_from([b"-", b"--", b"x", b"ab", b"\x03", b"\n", b"\r", b"\0"]))


def messages_of(name: str) -> st.SearchStrategy[list[bytes]]:
    if name == "fixed":
        one = st.binary(min_size=4, max_size=4)
    else:
        one = PIECES.map(b"".join).filter(lambda m: _can_hold(FRAMINGS[name], m))
    return st.lists(one, max_size=8)


def _can_hold(framing: Framing, message: bytes) -> bool:
    if isinstance(framing, LineFraming):
        return b"\n" not in message and not message.endswith(b"\r")
    if isinstance(framing, DelimiterFraming):
        # Nor may its end begin the delimiter.
        framed = framing.encode(message)
        return framed.find(framing.delimiter) == len(message)
    return True


def fed(framing: Framing, data: bytes, cuts: list[int], max_frame: int = 200) -> list[bytes]:
    decoder = framing.decoder(max_frame)
    found: list[bytes] = []
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for begin, end in zip(places, places[1:], strict=False):
        found += decoder.feed(data[begin:end])
        assert decoder.error is None
    return found


@pytest.mark.parametrize("name", FRAMINGS)
@given(data=st.data(), cuts=st.lists(st.integers(0, 10_000), max_size=30))
def test_any_split_gives_the_messages_that_were_framed(
    name: str, data: st.DataObject, cuts: list[int]
) -> None:
    messages = data.draw(messages_of(name))
    framing = FRAMINGS[name]
    assert fed(framing, b"".join(map(framing.encode, messages)), cuts) == messages


@pytest.mark.parametrize("name", FRAMINGS)
@given(data=st.binary(max_size=300), cuts=st.lists(st.integers(0, 10_000), max_size=30))
def test_strange_bytes_are_cut_alike_however_they_come(
    name: str, data: bytes, cuts: list[int]
) -> None:
    def outcome(places: list[int]) -> tuple[list[bytes], bool]:
        decoder = FRAMINGS[name].decoder(16)
        found: list[bytes] = []
        borders = sorted({0, len(data), *(cut % (len(data) + 1) for cut in places)})
        for begin, end in zip(borders, borders[1:], strict=False):
            if decoder.error is None:
                found += decoder.feed(data[begin:end])
        return found, decoder.error is not None

    whole, pieces = outcome([]), outcome(cuts)
    assert pieces == whole
    assert all(len(message) <= 16 for message in whole[0])


@pytest.mark.parametrize("name", ["line", "delimiter", "long delimiter"])
def test_byte_by_byte_a_frame_without_end_is_refused_in_time(name: str) -> None:
    decoder = FRAMINGS[name].decoder(100)
    for size in range(1, 200):
        assert decoder.feed(b"a") == []
        if decoder.error is not None:
            assert isinstance(decoder.error, FrameTooLong)
            # As soon as it is sure: what may be the beginning of a delimiter is waited for.
            assert size == {"line": 101, "delimiter": 101, "long delimiter": 105}[name]
            return
    raise AssertionError("200 bytes were taken for a frame of 100")


@pytest.mark.parametrize(
    "name", ["line", "crlf", "delimiter", "length 1 big False", "length 4 little True"]
)
def test_the_longest_frame_allowed_is_taken_and_the_next_is_not(name: str) -> None:
    framing = FRAMINGS[name]
    decoder = framing.decoder(100)
    assert decoder.feed(framing.encode(b"a" * 100)) == [b"a" * 100]
    assert decoder.error is None
    assert decoder.feed(framing.encode(b"b") + framing.encode(b"a" * 101)) == [b"b"]
    assert isinstance(decoder.error, FrameTooLong)
    assert "longer than the 100 allowed" in str(decoder.error)


def test_a_length_announced_is_refused_before_it_comes() -> None:
    decoder = LengthFraming(4).decoder(1000)
    assert decoder.feed(b"\xff\xff\xff\xff") == []
    assert isinstance(decoder.error, FrameTooLong)


def test_a_length_less_than_its_own_prefix_is_no_frame() -> None:
    decoder = LengthFraming(2, "big", True).decoder(1000)
    assert decoder.feed(b"\x00\x01") == []
    assert isinstance(decoder.error, FrameError)
    assert not isinstance(decoder.error, FrameTooLong)


@pytest.mark.parametrize(("given_", "last"), [(b"a", b"a"), (b"a\r", b"a"), (b"a\n", None)])
def test_the_last_line_may_lack_its_end(given_: bytes, last: bytes | None) -> None:
    decoder = LineFraming().decoder(10)
    decoder.feed(given_)
    assert decoder.rest() == last


def test_other_framings_leave_no_rest() -> None:
    for framing in (FixedFraming(4), LengthFraming(), DelimiterFraming(b";")):
        decoder = framing.decoder(10)
        assert decoder.feed(b"\0") == []
        assert decoder.is_amid
        assert decoder.rest() is None


def test_silence_ends_a_message_of_an_idle_gap() -> None:
    decoder = IdleGapFraming(0.1).decoder(10)
    assert decoder.feed(b"ab") == decoder.feed(b"c") == []
    assert decoder.is_amid
    assert decoder.rest() == b"abc"
    assert not decoder.is_amid
    assert decoder.rest() is None
    decoder.feed(b"x" * 11)
    assert isinstance(decoder.error, FrameTooLong)


@pytest.mark.parametrize(
    "make",
    [
        lambda: DelimiterFraming(b""),
        lambda: LineFraming(end=b""),
        lambda: FixedFraming(0),
        lambda: LengthFraming(3),  # type: ignore[arg-type]
        lambda: LengthFraming(2, "middle"),  # type: ignore[arg-type]
        lambda: IdleGapFraming(0),
        lambda: IdleGapFraming(float("nan")),
        lambda: IdleGapFraming(float("inf")),
    ],
)
def test_a_framing_that_cannot_be_is_refused(make: object) -> None:
    with pytest.raises(ValueError, match="a "):
        make()  # type: ignore[operator]


def test_what_cannot_be_framed_is_not_sent() -> None:
    with pytest.raises(FrameError, match="none of 4"):
        FixedFraming(4).encode(b"abc")
    with pytest.raises(FrameError, match="cannot say 256"):
        LengthFraming(1).encode(b"x" * 256)
    assert LengthFraming(1).encode(b"x" * 255)[:1] == b"\xff"
    with pytest.raises(FrameError, match="cannot say 256"):
        LengthFraming(1, "big", True).encode(b"x" * 255)


def test_a_carriage_return_may_be_no_part_of_the_longest_line() -> None:
    decoder = LineFraming().decoder(3)
    assert decoder.feed(b"abc\r") == []
    assert decoder.error is None
    assert decoder.feed(b"\n") == [b"abc"]
    decoder.feed(b"abc\rd")
    assert isinstance(decoder.error, FrameTooLong)


def test_a_fixed_frame_longer_than_allowed_is_told_at_once() -> None:
    FixedFraming(10).decoder(10)
    with pytest.raises(FrameTooLong, match="11 bytes is longer than 10 allowed"):
        FixedFraming(11).decoder(10)


def test_without_frames_a_message_is_what_has_come() -> None:
    decoder = RawFraming().decoder(3)
    assert decoder.feed(b"ab") == [b"ab"]
    assert decoder.feed(b"abcdefg") == [b"abc", b"def", b"g"]
    assert decoder.rest() is None
    assert not decoder.is_amid
    assert RawFraming().encode(b"ab") == b"ab"


def test_a_stream_holds_no_datagrams() -> None:
    with pytest.raises(FrameError, match="stream"):
        DatagramFraming().decoder(10)
