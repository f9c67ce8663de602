"""Exports that are followed: counted as they pass, about how many there are, stopped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import pytest

from app.domain import Count, Payload, RequestDetail
from app.errors import Conflict, NotFound
from app.services.exports import Cancelled, ExportProgress, Exports, resting
from app.who import SOCKPIT
from tests.app.web.test_words import ROW

EXACT = Count(4, exact=True)
MANY = Count(10_000, exact=False)


def rows(*seqs: int) -> Iterator[RequestDetail]:
    nothing = Payload(b"", 0, "")
    for seq in seqs:
        summary = replace(ROW, id=f"20260314-{seq}")
        yield RequestDetail(
            summary=summary, traceback=None, received=nothing, sent=nothing, tape=()
        )


@pytest.fixture
def exports() -> Exports:
    """Of a log from 101 to 200."""
    return Exports(lambda: ("20260313-101", "20260314-200"))


def test_each_request_passes_and_is_counted(exports: Exports) -> None:
    export = exports.follow("a", rows(9, 8, 7, 6), EXACT, SOCKPIT)
    assert exports.get("a", SOCKPIT) == ExportProgress(by=SOCKPIT, about=4, exact=True)
    assert list(islice(export, 2)) == list(rows(9, 8))
    assert exports.get("a", SOCKPIT) == ExportProgress(by=SOCKPIT, rows=2, about=4, exact=True)
    assert len(list(export)) == 2
    assert exports.get("a", SOCKPIT) == ExportProgress(
        by=SOCKPIT, rows=4, about=4, exact=True, state="done"
    )


def test_where_they_were_not_counted_the_part_that_was_read_tells(exports: Exports) -> None:
    export = exports.follow("a", rows(200, 181, 151, 101), MANY, SOCKPIT)
    assert exports.get("a", SOCKPIT).about is None
    abouts = []
    for _ in export:
        abouts.append(exports.get("a", SOCKPIT).about)
    assert abouts == [100, 10, 6, 4]
    assert not exports.get("a", SOCKPIT).exact or exports.get("a", SOCKPIT).state == "done"


def test_what_is_stopped_ends_with_an_error_and_not_as_if_it_were_whole(exports: Exports) -> None:
    export = exports.follow("a", rows(9, 8, 7), EXACT, SOCKPIT)
    next(export)
    assert exports.cancel("a", SOCKPIT).state == "cancelled"
    with pytest.raises(Cancelled):
        next(export)
    assert exports.get("a", SOCKPIT) == ExportProgress(
        by=SOCKPIT, rows=1, about=4, exact=True, state="cancelled"
    )
    assert exports.cancel("a", SOCKPIT).state == "cancelled"


def test_one_that_nobody_takes_any_more_is_broken(exports: Exports) -> None:
    export = exports.follow("a", rows(9, 8), EXACT, SOCKPIT)
    next(export)
    export.close()  # type: ignore[attr-defined]  # it is a generator
    assert exports.get("a", SOCKPIT).state == "broken"


def test_one_that_is_over_stays_so(exports: Exports) -> None:
    list(exports.follow("a", rows(9), EXACT, SOCKPIT))
    assert exports.cancel("a", SOCKPIT).state == "done"


def test_a_name_is_given_once_and_the_latest_are_remembered(exports: Exports) -> None:
    exports.follow("a", rows(9), EXACT, SOCKPIT)
    with pytest.raises(Conflict):
        exports.follow("a", rows(9), EXACT, SOCKPIT)
    for number in range(60):
        list(exports.follow(f"{number}", rows(9), EXACT, SOCKPIT))
    assert exports.get("a", SOCKPIT).state == "running"
    with pytest.raises(NotFound):
        exports.get("0", SOCKPIT)
    assert exports.get("59", SOCKPIT).state == "done"


def test_it_rests_while_requests_come_and_only_then(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("app.services.exports.time.perf_counter", lambda: now[0])
    came = iter([0, 0, 0, 0, 1, 1, 1])
    rests: list[float] = []

    def slow() -> Iterator[float]:
        for seconds in (0.001, 0.4, 0.7, 0.1, 0.002, 1.5):
            now[0] += seconds
            yield seconds

    assert len(list(resting(slow(), lambda: next(came), rests.append))) == 6
    # Not after 1.1 s without any, but when there are some again; and not more than a moment.
    assert rests == pytest.approx([0.003, 0.01, 0.01, 0.006])
