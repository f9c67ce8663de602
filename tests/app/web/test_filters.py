from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.web import filters


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 KB"),
        (1204, "1.20 KB"),
        (38_449, "38.4 KB"),
        (999_499, "999 KB"),
        (999_500, "1.00 MB"),
        (1_200_000, "1.20 MB"),
        (5_000_000_000_000, "5.00 TB"),
    ],
)
def test_a_size_has_three_digits_and_a_unit(count: int, text: str) -> None:
    assert filters.size(count) == text


@given(st.integers(1000, 10**14))
def test_a_size_is_never_off_by_more_than_its_last_digit(count: int) -> None:
    number, unit = filters.size(count).split()
    scale = 1000 ** ("KB", "MB", "GB", "TB").index(unit) * 1000
    assert abs(float(number) * scale - count) <= count * 0.0051
    assert 1 <= float(number) < 1000


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1904, "1,904"), (99_999, "99,999"), (123_456, "123k"), (1_204_000, "1.20M")],
)
def test_a_count_is_exact_while_it_can_be_read(value: int, text: str) -> None:
    assert filters.count(value) == text


@pytest.mark.parametrize(
    ("us", "text"),
    [
        (0, "0 µs"),
        (999, "999 µs"),
        (1_000, "1.00 ms"),
        (4_560, "4.56 ms"),
        (999_600, "1.00 s"),
        (2_340_000, "2.34 s"),
        (59_940_000, "59.9 s"),
        (60_000_000, "00:01:00"),
        (180_660_000_000, "2 d 02:11"),
    ],
)
def test_a_duration_reads_at_every_scale(us: int, text: str) -> None:
    assert filters.duration(us) == text


def test_an_idle_time_is_fine_at_first_and_coarse_later() -> None:
    assert [filters.idle(s) for s in (-0.1, 0.42, 9.9, 11.2, 59.4, 61)] == [
        "0.0 s",
        "0.4 s",
        "9.9 s",
        "11 s",
        "59 s",
        "00:01:01",
    ]


def test_a_moment_keeps_its_microseconds() -> None:
    us = 1_800_000_000_000_007
    assert filters.FILTERS["iso"](us) == "2027-01-15T08:00:00.000007Z"
    assert filters.clock(us) == "08:00:00.000 007"


@pytest.mark.parametrize(
    ("age_s", "text"), [(0.2, "now"), (12, "12 s ago"), (185, "3 min ago"), (200_000, "2 d ago")]
)
def test_a_time_is_told_from_now(monkeypatch: pytest.MonkeyPatch, age_s: float, text: str) -> None:
    monkeypatch.setattr(filters, "seconds_since", lambda us: age_s)
    assert filters.ago(1) == text


@given(st.binary(max_size=64))
def test_a_hex_dump_reads_back(data: bytes) -> None:
    assert bytes.fromhex(filters.hexdump(data)) == data


@given(st.binary(max_size=64))
def test_text_beside_hex_has_a_character_a_byte(data: bytes) -> None:
    assert len(filters.ascii_text(data)) == len(data)


@given(st.binary(max_size=64))
def test_printable_text_is_one_line_without_anything_hidden(data: bytes) -> None:
    assert filters.printable(data).isprintable()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"hello\r\n", "hello↵"),
        ("你好".encode(), "你好"),
        ("你好".encode()[:-1], "你"),  # a preview may end inside a character
        (b"a\x00b\x1b", "a·b·"),
        ("\u202egnp.exe".encode(), "·gnp.exe"),  # turns the direction of what follows
    ],
)
def test_printable_text(data: bytes, text: str) -> None:
    assert filters.printable(data) == text


def test_binary_is_told_from_text() -> None:
    assert filters.is_text(b"GET / HTTP/1.1\r\n")
    assert not filters.is_text(b"\x78\x78\x11\x01\x03\x51\x60\x80")
