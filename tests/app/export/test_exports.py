from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.domain import RequestDetail
from app.export import EXPORTS
from tests.app.export.samples import request


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
