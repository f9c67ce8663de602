from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator

import pytest

from app.domain import RequestDetail
from app.export import EXPORTS
from app.export.csv_rows import COLUMNS
from app.export.jsonl import decode
from app.log_facts import Gap
from tests.app.export.samples import NOON_US, request


def test_each_format_has_its_suffix_and_type() -> None:
    assert {name: (export.suffix, export.media_type) for name, export in EXPORTS.items()} == {
        "csv": (".csv", "text/csv; charset=utf-8"),
        "jsonl": (".jsonl", "application/x-ndjson"),
        "pcapng": (".pcapng", "application/x-pcapng"),
    }


@pytest.mark.parametrize("name", EXPORTS)
def test_one_request_is_held_at_a_time(name: str) -> None:
    taken = 0

    def details() -> Iterator[RequestDetail]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield request(number, [(True, b"hello"), (False, b"world")])

    untouched = list(EXPORTS[name].encode([]))
    ahead = []
    pieces = 0
    for _ in EXPORTS[name].encode(details()):
        pieces += 1
        ahead.append(taken - max(0, pieces - len(untouched)))
    assert taken == 100
    assert pieces == 100 + len(untouched)
    assert max(ahead) == 0


@pytest.mark.parametrize("name", EXPORTS)
def test_a_log_in_two_halves_is_the_log(name: str) -> None:
    encode = EXPORTS[name].encode
    log = [request(number, [(True, b"a\0b"), (False, b"\xff")]) for number in range(4)]
    start = b"".join(encode([]))
    whole, first, second = (b"".join(encode(part)) for part in (log, log[:2], log[2:]))
    assert whole == first + second.removeprefix(start)


GAP = Gap(reason="dropped", began_us=NOON_US, ended_us=NOON_US + 5, missing=7, after="20260314-1")


def test_what_is_missing_is_said_where_the_format_can() -> None:
    first, last = (request(number, [(True, b"a")]) for number in (1, 2))
    log: list[RequestDetail | Gap] = [last, GAP, first]
    written = {name: b"".join(EXPORTS[name].encode(log)) for name in EXPORTS}
    rows = list(csv.DictReader(io.StringIO(written["csv"].decode(), newline="")))
    assert [row["outcome"] for row in rows] == ["ok", "gap", "ok"]
    assert rows[1] == dict.fromkeys(COLUMNS, "") | {
        "id": "20260314-1",
        "started_at": "2026-03-14T12:00:00.000000Z",
        "duration_us": "5",
        "outcome": "gap",
        "error": "dropped: 7 missing",
    }
    _, line, _ = written["jsonl"].splitlines()
    assert json.loads(line) == {
        "gap": "dropped",
        "began_at": "2026-03-14T12:00:00.000000Z",
        "ended_at": "2026-03-14T12:00:00.000005Z",
        "missing": 7,
        "after": "20260314-1",
    }
    with pytest.raises(ValueError, match="not a line of an exported request log"):
        decode(line)
    without = b"".join(EXPORTS["pcapng"].encode([last, first]))
    assert written["pcapng"] == without
