"""The recorder's queue: bounds, coalescing and accounts, with the writer held or not."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sockcore.events import RequestFinished
from tests.app.services.gate import PATIENCE_S, Gate, counts, gated
from tests.app.store.samples import finished, progressed


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Gate]:
    with gated(tmp_path) as opened:
        yield opened


def test_accounts_balance_at_every_moment_while_many_submit(store: Gate) -> None:
    recorder = store.recorder(max_rows=300)
    over = threading.Event()

    def look() -> int:
        looks = 0
        while not over.is_set():
            counts(recorder.stats())
            looks += 1
        return looks

    def submit(thread: int) -> None:
        for n in range(1_000):
            recorder.submit(progressed(n, server=f"s{thread}", connection_id=thread * 1_000 + n))
            recorder.submit(finished(n, server=f"s{thread}", connection_id=thread * 1_000 + n))

    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        store.hold(recorder)
        with ThreadPoolExecutor(9) as pool:
            looking = pool.submit(look)
            list(pool.map(submit, range(4)))
            received, stored, dropped, pending = counts(recorder.stats())
            assert (received, stored, pending) == (4_001, 0, 300)
            store.open.set()
            list(pool.map(submit, range(4, 8)))
            over.set()
            assert looking.result(PATIENCE_S) > 0
    finally:
        sys.setswitchinterval(usual)
    assert recorder.stop(PATIENCE_S)
    received, stored, dropped, pending = counts(recorder.stats())
    assert (received, pending) == (8_001, 0)
    assert len(store.outcomes()) == stored
    assert set(store.outcomes().values()) == {"ok"}


def test_a_full_queue_keeps_the_oldest_and_counts_the_rest(store: Gate) -> None:
    recorder = store.recorder(max_rows=4)
    store.hold(recorder)
    for n in range(10):
        recorder.submit(finished(n))
    assert counts(recorder.stats()) == (11, 0, 7, 4)
    assert recorder.stats().writer_lag_ms >= 0
    store.open.set()
    assert recorder.flush(PATIENCE_S)
    assert counts(recorder.stats()) == (11, 4, 7, 0)
    assert recorder.stats().writer_lag_ms == 0
    assert set(store.outcomes()) == {10**9, 0, 1, 2}


def test_the_queue_is_bounded_in_bytes_too(store: Gate) -> None:
    recorder = store.recorder(max_bytes=100_000)
    store.hold(recorder)
    large = b"x" * 20_000  # twice, as received and as sent
    for n in range(5):
        recorder.submit(finished(n, large))
    assert counts(recorder.stats()) == (6, 0, 3, 3)
    recorder.submit(finished(6, b"a small one still fits"))
    recorder.submit(finished(7, outcome="error", error="x" * 50_000))
    assert counts(recorder.stats()) == (8, 0, 4, 4)
    store.open.set()
    assert recorder.flush(PATIENCE_S)
    recorder.submit(finished(8, large))
    assert recorder.flush(PATIENCE_S)
    assert set(store.outcomes()) == {10**9, 0, 1, 6, 8}


def test_reports_of_one_request_take_one_place_and_none_in_the_accounts(store: Gate) -> None:
    recorder = store.recorder(max_rows=3)
    store.hold(recorder)
    for size in range(50):
        recorder.submit(progressed(1, b"x" * size))
        recorder.submit(progressed(2, b"x" * size))
        recorder.submit(progressed(3, b"no room: not taken, and nothing is lost by it"))
    assert counts(recorder.stats()) == (1, 0, 0, 1)
    recorder.submit(finished(1, b"x" * 60))
    assert counts(recorder.stats()) == (2, 0, 0, 2)
    store.open.set()
    assert recorder.flush(PATIENCE_S)
    recorder.submit(progressed(3))
    assert recorder.flush(PATIENCE_S)
    (_, batch, _) = store.batches
    assert [type(event) is RequestFinished for event in batch] == [True, False]
    assert batch[1].received.total == 49
    assert store.outcomes() == {10**9: "ok", 1: "ok", 2: "open", 3: "open"}


def test_an_open_row_is_completed_even_when_there_is_no_room(store: Gate) -> None:
    recorder = store.recorder(max_rows=2)
    recorder.submit(progressed(1, b"hello"))
    assert recorder.flush(PATIENCE_S)
    store.hold(recorder)
    recorder.submit(progressed(2, b"queued"))
    recorder.submit(finished(3))
    end = {"outcome": "error", "closed_by": "handler", "error": "Traceback …\nValueError: no\n"}
    recorder.submit(finished(1, b"hello, world", **end))
    assert counts(recorder.stats()) == (3, 0, 1, 2)
    store.open.set()
    assert recorder.flush(PATIENCE_S)
    assert counts(recorder.stats()) == (3, 2, 1, 0)
    rows = {row.connection_id: row for row in store.query(limit=9).items}
    assert (rows[1].outcome, rows[1].bytes_in, rows[1].error) == ("error", 12, "ValueError: no")
    found = store.get(rows[1].id)
    assert found is not None
    assert (found.received.prefix, found.received.truncated) == (b"hello", True)
    assert rows[2].outcome == "open"
    assert 3 not in rows


def test_a_queued_report_is_completed_even_when_the_end_is_too_large(store: Gate) -> None:
    recorder = store.recorder(max_bytes=8_000)
    store.hold(recorder)
    recorder.submit(progressed(1, b"hello"))
    recorder.submit(finished(1, b"hello" + b"!" * 9_000))
    assert counts(recorder.stats()) == (2, 0, 0, 2)
    store.open.set()
    assert recorder.flush(PATIENCE_S)
    (row,) = (row for row in store.query(limit=9).items if row.connection_id == 1)
    found = store.get(row.id)
    assert found is not None
    assert (row.outcome, row.bytes_in, found.received.prefix) == ("ok", 9_005, b"hello")
    assert [chunk.data for chunk in found.tape] == [b"hello"]


def test_a_report_overtaken_by_the_end_opens_no_row(store: Gate) -> None:
    recorder = store.recorder(max_rows=1)
    recorder.submit(finished(1))
    recorder.submit(progressed(1))
    assert recorder.flush(PATIENCE_S)
    recorder.submit(progressed(1))
    assert recorder.flush(PATIENCE_S)
    store.hold(recorder)
    recorder.submit(finished(2))
    store.open.set()
    assert recorder.flush(PATIENCE_S)
    recorder.submit(progressed(2))  # its end was dropped: nobody would ever complete this one
    assert recorder.flush(PATIENCE_S)
    assert counts(recorder.stats()) == (3, 2, 1, 0)
    assert store.outcomes() == {1: "ok", 10**9: "ok"}


def test_a_second_end_of_a_request_counts_for_nothing(store: Gate) -> None:
    recorder = store.recorder()
    recorder.submit(finished(1))
    recorder.submit(finished(1))
    assert recorder.flush(PATIENCE_S)
    recorder.submit(finished(1))
    assert recorder.stop(PATIENCE_S)
    assert counts(recorder.stats()) == (1, 1, 0, 0)
    assert store.outcomes() == {1: "ok"}
