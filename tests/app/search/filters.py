"""Filters that fit in a line, generated."""

from __future__ import annotations

from typing import get_args

from hypothesis import strategies as st

from app.domain import TRANSPORTS
from app.search.terms import (
    OUTCOMES,
    Compare,
    Contains,
    Filter,
    Is,
    Moment,
    Operator,
    Since,
    Until,
)
from app.search.values import MOST, MOST_AGO_S

#: What a line is made of, so that chance meets it.
_PIECES = st.sampled_from(
    [
        *('"', "\\", '\\"', "-", "--", ":", "://", " ", "\t", "\u3000", "=", ">", "'", "`"),
        *("server:", "dir:in", "hex:0d", "http://x", "key:", "size:>1k", "時鐘", "É", "é", "\x1b"),
    ]
)
_CHARS = st.characters(codec="utf-8", exclude_characters="\0\r\n")

texts = st.one_of(
    st.text(_CHARS, min_size=1, max_size=12),
    st.lists(_PIECES, min_size=1, max_size=3).map("".join),
)
moments = st.one_of(
    st.builds(Moment, ago_s=st.integers(0, MOST_AGO_S)),
    st.builds(Moment, ago_s=st.integers(0, 365).map(lambda days: days * 86_400)),
    # 0001-01-01 to the end of 9999
    st.builds(Moment, us=st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999)),
    st.builds(Moment, us=st.integers(0, 40_000).map(lambda hours: hours * 3_600_000_000)),
)
_numbers = st.one_of(
    st.integers(0, MOST),
    st.builds(
        lambda count, scale: count * scale,
        st.integers(0, 999),
        st.sampled_from([1, 1024, 1024**3, 1000, 10**6, 3600 * 10**6]),
    ),
)
terms = st.one_of(
    st.builds(Is, st.sampled_from(["server", "peer"]), texts, st.booleans()),
    st.builds(Is, st.just("kind"), st.sampled_from(TRANSPORTS), st.booleans()),
    st.builds(Is, st.just("outcome"), st.sampled_from(OUTCOMES), st.booleans()),
    st.builds(
        Compare, st.sampled_from(["size", "took"]), st.sampled_from(get_args(Operator)), _numbers
    ),
    st.builds(Since, moments),
    st.builds(Until, moments),
    st.builds(Contains, texts.map(str.encode), st.just(False), st.booleans()),
    st.builds(Contains, st.binary(min_size=1, max_size=8), st.just(True), st.booleans()),
)
filters = st.builds(
    Filter, st.lists(terms, max_size=8).map(tuple), st.sampled_from([None, "in", "out"])
)

#: Lines as somebody might type them, right and wrong.
lines = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.one_of(
            _PIECES,
            st.text(max_size=4),
            st.sampled_from(
                [
                    *("took:", "after:", "before:", "1.5", "9gb", "5ſ", "1K", "µs", "h", "-1d"),
                    *("2026-11-23", "T10:00", ":30.5", "Z", "0000-00-00", "99999999999999999999"),
                ]
            ),
        ),
        max_size=10,
    ).map("".join),
)
