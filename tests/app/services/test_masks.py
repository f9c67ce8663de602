from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services import masks
from app.services.masks import MOST_CHARS, MOST_MATCHES, Masks, fault


def over(data: bytes, *entries: str) -> bytes:
    made = Masks(entries)
    assert made.faults == ()
    return made.over(data)


@pytest.mark.parametrize(
    ("entry", "data", "masked"),
    [
        ("text:hunter2", b"pw=hunter2;hunter2!", b"pw=*******;*******!"),
        ("text:aba", b"xababay", b"x*****y"),
        ("text:a.c", b"abc a.c", b"abc ***"),
        ("text: spaced ", b"a spaced b", b"a********b"),
        ("text:密", "a密b".encode(), b"a***b"),
        (r"re:\xff+", b"a\xff\xff\x00\xff", b"a**\x00*"),
        (r"re:\x00b", b"a\x00b", b"a**"),
        (r"re:(?i)password=[^&\s]*", b"a&PassWord=x y", b"a&********** y"),
        ("re:[0-9]{4}", b"12345678 123", b"******** 123"),
        ("re:^a|b$", b"aab", b"*a*"),
        ("re:a.c", b"a\nc abc", b"a\nc ***"),
        (r"re:\b", b"words", b"words"),
    ],
)
def test_what_matches_is_replaced_byte_for_byte(entry: str, data: bytes, masked: bytes) -> None:
    assert over(data, entry) == masked


def test_each_mask_is_looked_for_in_the_true_bytes() -> None:
    assert over(b"password1", "text:pass", r"re:password\d") == b"*********"


def test_what_does_not_match_is_the_same_object() -> None:
    data = b"nothing to hide"
    assert over(data, "text:secret", "re:[0-9]+") is data


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("password", "begins neither with text: nor with re:"),
        ("", "begins neither"),
        ("text:", "has nothing after"),
        ("re:", "has nothing after"),
        ("text:a\nb", "control character"),
        ("text:\ud800", "half a character"),
        ("re:é", "not ASCII"),
        ("re:(", "missing )"),
        ("re:a(?=b)", "no regex that RE2 takes"),
        (r"re:(a)\1", "no regex that RE2 takes"),
        ("re:x*", "matches nothing at all"),
        ("re:(a{100}){9}", "904 steps"),
        ("re:(((a{100}){100}){100}){100}", "no regex that RE2 takes"),
        ("text:" + "a" * MOST_CHARS, "more than 256"),
    ],
)
def test_a_mask_that_cannot_be_used_says_why(entry: str, why: str) -> None:
    assert why in (fault(entry) or "")


def test_one_that_can_be_used_no_more_masks_everything() -> None:
    made = Masks(["text:fine", "re:("])
    assert len(made.faults) == 1
    assert made.over(b"whatever") == b"********"


def test_more_matches_than_anybody_counts_mask_everything() -> None:
    data = b"1" * MOST_MATCHES
    assert over(data + b"x", "re:[0-9]") == b"*" * MOST_MATCHES + b"x"
    assert over(data + b"1x", "re:[0-9]") == b"*" * (MOST_MATCHES + 2)


def test_matches_that_take_too_long_mask_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "PATIENCE_S", -1.0)
    assert over(b"one 1", "re:[0-9]") == b"*****"
    assert over(b"none", "re:[0-9]") == b"none"


@given(st.text(max_size=20))
def test_any_regex_is_refused_in_words_or_masks_without_a_failure(pattern: str) -> None:
    entry = f"re:{pattern}"
    why = fault(entry)
    if why is None:
        data = pattern.encode("utf-8", "replace") + bytes(range(256))
        assert len(Masks([entry]).over(data)) == len(data)
    else:
        assert why


@given(st.binary(max_size=60), st.integers(0, 60), st.text("abc", min_size=1, max_size=4))
def test_a_text_is_gone_wherever_it_was(data: bytes, at: int, text: str) -> None:
    whole = data[:at] + text.encode() + data[at:]
    masked = over(whole, f"text:{text}")
    assert len(masked) == len(whole)
    assert text.encode() not in masked
