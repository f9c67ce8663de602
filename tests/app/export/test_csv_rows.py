from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import RequestDetail
from app.export.csv_rows import CELL_LIMIT, COLUMNS, CUT_MARK, encode, text_cell
from tests.app.export.samples import request, requests

#: Excel's limit, in UTF-16 units.
EXCEL_CELL = 32_767
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
NUMBERS = ("connection_id", "duration_us", "bytes_in", "bytes_out")


def rows(log: list[RequestDetail]) -> list[dict[str, str]]:
    text = b"".join(encode(log)).decode()
    assert text.endswith("\r\n")
    return list(csv.DictReader(io.StringIO(text, newline=""), strict=True))


def received(data: bytes) -> str:
    (row,) = rows([request(1, [(True, data)])])
    return row["received"]


def test_a_row_says_what_the_log_says() -> None:
    said = [(True, '你好, "x"\n'.encode()), (False, b"\0\xff;\x1b[2J")]
    (row,) = rows([request(3, said, error="ValueError: no", server="a,b")])
    assert row == {
        "id": "20260314-3",
        "server": "a,b",
        "transport": "tcp",
        "address": "127.0.0.1:50900",
        "peer": "127.0.0.1:50122",
        "connection_id": "3",
        "started_at": "2026-03-14T12:00:03.000000Z",
        "duration_us": "205",
        "outcome": "ok",
        "closed_by": "client",
        "bytes_in": "12",
        "bytes_out": "7",
        "truncated": "false",
        "received_sha256": request(3, said).received.sha256,
        "sent_sha256": request(3, said).sent.sha256,
        "error": "ValueError: no",
        "received": '你好, "x"\\n',
        "sent": "\\x00\\xff;\\x1b[2J",
    }


def test_an_empty_log_is_its_header() -> None:
    assert b"".join(encode([])) == ",".join(COLUMNS).encode() + b"\r\n"


def test_an_empty_request_has_empty_cells() -> None:
    (row,) = rows([request(1, closed_by=None, truncated=True)])
    assert (row["closed_by"], row["error"], row["received"], row["sent"]) == ("", "", "", "")
    assert (row["received_sha256"], row["truncated"]) == ("", "true")


@pytest.mark.parametrize("start", FORMULA)
def test_a_cell_is_never_a_formula(start: str) -> None:
    cell = received(f"{start}cmd|' /C calc'!A0".encode())
    assert cell.startswith("'")
    assert cell.endswith("cmd|' /C calc'!A0")


def test_a_peer_of_an_abstract_socket_is_no_formula() -> None:
    (row,) = rows([request(1, peer="@hidden", server="-1", error="=1+1")])
    assert (row["peer"], row["server"], row["error"]) == ("'@hidden", "'-1", "'=1+1")


@settings(deadline=None, max_examples=25)
@given(st.lists(requests(), max_size=2))
def test_any_log_is_one_safe_line_a_request(log: list[RequestDetail]) -> None:
    lines = b"".join(encode(log)).decode().splitlines()
    assert len(lines) == 1 + len(log)
    for row, detail in zip(rows(log), log, strict=True):
        for name, cell in row.items():
            if name in NUMBERS:
                assert int(cell) == getattr(detail.summary, name)
            else:
                assert not cell.startswith(FORMULA)
                assert not any(ord(character) < 32 for character in cell)


@given(st.sampled_from([*FORMULA, " ", "'", '"', ",", ";"]), st.text())
def test_a_cell_that_begins_in_any_way_is_safe(start: str, rest: str) -> None:
    cell = text_cell(start + rest)
    assert not cell.startswith(FORMULA)
    assert cell.startswith("'") is (start in (*FORMULA, "'"))
    assert len(cell.splitlines()) == 1


@pytest.mark.parametrize("character", ["a", "é", "龍", "🦆", "\0"])
def test_a_cell_is_cut_to_what_excel_holds(character: str) -> None:
    cell = text_cell(f"={character * 40_000}")
    assert cell.startswith("'=")
    assert cell.endswith(CUT_MARK)
    units = len(cell.encode("utf-16-le")) // 2
    assert CELL_LIMIT - 2 <= units - len(CUT_MARK) - 1 <= CELL_LIMIT
    assert units <= EXCEL_CELL


def test_a_cell_that_just_fits_is_whole() -> None:
    assert text_cell("a" * CELL_LIMIT) == "a" * CELL_LIMIT
    assert text_cell("a" * (CELL_LIMIT + 1)) == "a" * CELL_LIMIT + CUT_MARK
    assert text_cell("🦆" * (CELL_LIMIT // 2)) == "🦆" * (CELL_LIMIT // 2)


def test_a_payload_that_was_not_kept_whole_is_marked() -> None:
    (row,) = rows([request(1, [(True, b"abcdef"), (False, b"xyz")], kept=4)])
    assert (row["received"], row["bytes_in"], row["sent"]) == (f"abcd{CUT_MARK}", "6", "xyz")


def test_what_would_rearrange_a_line_is_spelt_out() -> None:
    assert text_cell("a\u202eb\u2028c\x85d") == "a\\u202eb\\u2028c\\x85d"
    assert text_cell("\udc80\udcff\ud800") == "\\x80\\xff\\ud800"


@given(st.binary())
def test_a_payload_is_the_text_it_is_and_bytes_spelt_out(data: bytes) -> None:
    text = data.decode("utf-8", "backslashreplace")
    assert received(data) == text_cell(text)
