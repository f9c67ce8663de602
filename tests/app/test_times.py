from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.times import iso, microseconds


def test_a_moment_is_written_as_rest_writes_it() -> None:
    assert iso(1_773_489_600_000_001) == "2026-03-14T12:00:00.000001Z"
    assert iso(0) == "1970-01-01T00:00:00.000000Z"
    assert iso(-62_135_596_800_000_000) == "0001-01-01T00:00:00.000000Z"


@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_every_microsecond_comes_back(us: int) -> None:
    assert microseconds(iso(us)) == us


@pytest.mark.parametrize("text", ["", "noon", "2026-03-14T12:00:00"])
def test_what_is_no_moment_in_utc_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=text or "Invalid"):
        microseconds(text)
