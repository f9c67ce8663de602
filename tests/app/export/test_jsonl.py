from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.request_shapes import request_detail_shape
from app.domain import RequestDetail
from app.export.jsonl import decode, encode
from tests.app.export.samples import NOON_US, request, requests


@settings(deadline=None, max_examples=40)
@given(st.lists(requests(), max_size=2))
def test_what_was_encoded_comes_back_equal(log: list[RequestDetail]) -> None:
    whole = b"".join(encode(log))
    assert whole.isascii()
    assert whole.count(b"\n") == len(log)
    assert [decode(line) for line in whole.splitlines()] == log


def test_a_line_has_the_fields_of_rest_but_for_its_renderings_as_text() -> None:
    detail = replace(
        request(7, [(True, b"\0\xff" * 50), (False, b"ok"), (True, b"rest")], kept=64),
        traceback="Traceback:\nValueError: \u2028",
    )
    (line,) = encode([detail])
    shape = request_detail_shape(detail).model_dump()
    del shape["preview"], shape["received"]["text"], shape["sent"]["text"]
    assert json.loads(line) == shape


def test_a_line_says_all_that_is_known() -> None:
    (line,) = encode([request(1, [(True, b"a\0"), (False, b"b")], kept=1, error="é")])
    assert json.loads(line) == {
        "id": "20260314-1",
        "server": "hall",
        "peer": "127.0.0.1:50122",
        "connection_id": 1,
        "started_at": "2026-03-14T12:00:01.000000Z",
        "duration_us": 205,
        "bytes_in": 2,
        "bytes_out": 1,
        "outcome": "ok",
        "closed_by": "client",
        "error": "é",
        "transport": "tcp",
        "address": "127.0.0.1:50900",
        "truncated": False,
        "traceback": None,
        "received": {
            "base64": "YQ==",
            "bytes": 2,
            "truncated": True,
            "sha256": "ffe9aaeaa2a2d5048174df0b80599ef0197ec024c4b051bc9860cff58ef7f9f3",
        },
        "sent": {
            "base64": "Yg==",
            "bytes": 1,
            "truncated": False,
            "sha256": "3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d",
        },
        "tape": [
            {"direction": "in", "offset_us": 0, "bytes": 2},
            {"direction": "out", "offset_us": 100, "bytes": 1},
        ],
    }


def test_an_empty_log_is_an_empty_file() -> None:
    assert b"".join(encode([])) == b""


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"7", b"{}", b'"text"', b"\xff", b'{"received": {"base64": "!"}}'],
)
def test_what_is_no_line_of_a_log_is_refused(line: bytes) -> None:
    with pytest.raises(ValueError, match="."):
        decode(line)


def test_a_field_that_is_missing_or_wrong_is_refused() -> None:
    (line,) = encode([request(1, [(True, b"abc")])])
    document = json.loads(line)
    for name in document:
        less = {key: value for key, value in document.items() if key != name}
        with pytest.raises(ValueError, match=name):
            decode(json.dumps(less))
    assert decode(json.dumps(document)).summary.started_us == NOON_US + 1_000_000
    with pytest.raises(ValueError, match="Invalid isoformat"):
        decode(json.dumps({**document, "started_at": "soon"}))
