"""What is dropped is a gap in the log, at its place among what is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from app.domain import RequestSummary
from app.log_facts import Gap, interleaved
from app.services.pending_gaps import PendingGaps
from app.store.requests import DiskFailed
from tests.app.services.gate import PATIENCE_S, Gate, counts, gated, until
from tests.app.store.samples import finished


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Gate]:
    with gated(tmp_path) as opened:
        yield opened


def story(store: Gate) -> list[int | str]:
    """Connection ids and gaps, the oldest first."""
    page = store.query(limit=10_000)
    found = list(interleaved(((row.id, row) for row in page.items), page.gaps))[::-1]
    return [_told(each) for each in found]


def _told(each: RequestSummary | Gap) -> int | str:
    if isinstance(each, Gap):
        return f"{each.reason} {each.missing}"
    return each.connection_id


def test_the_gap_stands_between_what_was_kept_before_and_after(store: Gate) -> None:
    recorder = store.recorder(max_rows=4)
    for held, first in ((10**9, 0), (10**9 + 1, 100)):
        store.hold(recorder, held)
        for n in range(first, first + 10):
            recorder.submit(finished(n))
        store.open.set()
        assert recorder.flush(PATIENCE_S)
    recorder.submit(finished(200))
    assert recorder.flush(PATIENCE_S)
    once = [10**9, 0, 1, 2, "dropped 7"]
    assert story(store) == [*once, 10**9 + 1, 100, 101, 102, "dropped 7", 200]


def test_what_comes_amid_a_gap_stands_after_it(store: Gate) -> None:
    gaps = PendingGaps()
    assert gaps.drop(5, 1_000)
    assert not gaps.drop(9, 2_000)
    assert gaps.take(before=5) == []
    assert (gaps.first_ticket, gaps.oldest_ticket) == (5, 5)
    (gap,) = gaps.take(before=6)
    assert (gap.began_us, gap.ended_us, gap.missing) == (1_000, 2_000, 2)
    assert gaps.drop(9, 3_000)  # the one that was taken grows no more
    assert (gaps.first_ticket, gaps.oldest_ticket, len(gaps)) == (9, 5, 2)
    gaps.commit()
    assert (gaps.oldest_ticket, len(gaps)) == (9, 1)
    assert [g.missing for g in gaps.take(before=None)] == [1]


def test_other_reasons_are_other_gaps(store: Gate) -> None:
    gaps = PendingGaps()
    gaps.drop(1, 1)
    gaps.reason = "failed"
    gaps.drop(1, 2)
    gaps.drop(1, 3)
    gaps.note(1, Gap(reason="stalled", began_us=4, ended_us=5, missing=None))
    gaps.drop(1, 6)
    found = [(gap.reason, gap.missing) for gap in gaps.take(before=None)]
    assert found == [("dropped", 1), ("failed", 2), ("stalled", None), ("failed", 1)]


@pytest.mark.parametrize("failure", [DiskFailed("EIO"), OSError(28, "full")])
def test_what_is_dropped_while_the_store_fails_says_so(
    store: Gate, failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.recorder.DISK_FIRST_S", 0.1)
    heard: list[Gap | None] = []
    recorder = store.recorder(max_rows=4, news=heard.append)
    store.failure = failure
    recorder.submit(finished(0))
    until(lambda: recorder.stats().state == "failed")
    until(lambda: heard == [None])
    for n in range(1, 10):
        recorder.submit(finished(n))
    store.failure = None
    assert recorder.flush(PATIENCE_S)
    assert story(store) == [0, 1, 2, 3, "failed 6"]
    assert counts(recorder.stats()) == (10, 4, 6, 0)
    assert recorder.stats().failures >= 1
    assert heard == [None, None, store.query(limit=9).gaps[0]]


def test_a_gap_from_outside_comes_after_what_is_queued(store: Gate) -> None:
    recorder = store.recorder(flush_s=3600)
    recorder.submit(finished(1))
    recorder.note(Gap(reason="stalled", began_us=1, ended_us=2, missing=None))
    recorder.submit(finished(2))
    assert recorder.flush(PATIENCE_S)
    assert story(store) == [1, "stalled None", 2]


def test_a_gap_alone_waits_for_nobody(store: Gate) -> None:
    recorder = store.recorder(flush_s=3600)
    recorder.note(Gap(reason="unclean", began_us=1, ended_us=2, missing=None))
    until(lambda: story(store) == ["unclean None"])


def test_the_end_writes_the_gaps_too(store: Gate) -> None:
    recorder = store.recorder(max_rows=2)
    store.hold(recorder)
    for n in range(5):
        recorder.submit(finished(n))
    store.open.set()
    assert recorder.stop(PATIENCE_S)
    assert story(store) == [10**9, 0, "dropped 4"]
    recorder.submit(finished(9))  # nobody is there any more to write of it
    assert recorder.stop(0.0)


def test_who_hears_of_gaps_may_fail(store: Gate, caplog: pytest.LogCaptureFixture) -> None:
    def fail(_gap: Gap | None) -> None:
        raise ZeroDivisionError

    recorder = store.recorder(news=fail)
    recorder.note(Gap(reason="stalled", began_us=1, ended_us=2, missing=None))
    recorder.submit(finished(1))
    assert recorder.flush(PATIENCE_S)
    assert story(store) == ["stalled None", 1]
    assert "it goes on" in caplog.text
