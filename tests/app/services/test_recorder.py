from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.domain import RequestSummary
from app.log_facts import Gap
from app.services.recorder import Recorder
from tests.app.services.gate import PATIENCE_S, Gate, counts, gated, until
from tests.app.store.samples import finished, progressed


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Gate]:
    with gated(tmp_path) as opened:
        yield opened


@pytest.fixture
def others() -> frozenset[threading.Thread]:
    """The threads of recorders that are not this test's: of an app that others share."""
    return recorder_threads()


def recorder_threads() -> frozenset[threading.Thread]:
    return frozenset(thread for thread in threading.enumerate() if thread.name == "recorder")


def switches(status: str) -> int:
    """How often a thread got the processor, by its /proc status."""
    return sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)


def test_what_is_submitted_is_stored_and_published(store: Gate) -> None:
    published: list[RequestSummary] = []
    recorder = store.recorder(published.extend)
    recorder.submit(progressed(1))
    recorder.submit(finished(2))
    assert recorder.flush(PATIENCE_S)
    recorder.submit(finished(1))
    assert recorder.stop(PATIENCE_S)
    assert counts(recorder.stats()) == (2, 2, 0, 0)
    assert [(row.id, row.outcome) for row in published] == [
        ("20260314-1", "open"),
        ("20260314-2", "ok"),
        ("20260314-1", "ok"),
    ]
    assert store.outcomes() == {1: "ok", 2: "ok"}


def test_an_event_is_committed_without_anybody_asking(store: Gate) -> None:
    recorder = store.recorder(flush_s=0.2)
    recorder.submit(finished(1))
    until(lambda: recorder.stats().stored == 1)
    assert store.outcomes() == {1: "ok"}


def test_events_close_in_time_share_a_commit_and_a_flush_waits_for_no_more(store: Gate) -> None:
    recorder = store.recorder(flush_s=3600)
    for n in range(50):
        recorder.submit(finished(n))
    assert recorder.flush(3600)  # the tests' own time limit is far below
    assert [len(batch) for batch in store.batches] == [50]


def test_a_full_batch_waits_for_no_clock_and_none_is_larger(store: Gate) -> None:
    recorder = store.recorder(flush_s=3600)
    for n in range(2_500):
        recorder.submit(finished(n))
    until(lambda: recorder.stats().stored >= 2_000)
    assert recorder.flush(PATIENCE_S)
    assert [len(batch) for batch in store.batches] == [1_000, 1_000, 500]


def test_rows_are_published_when_a_reader_can_see_them(store: Gate) -> None:
    seen: list[bool] = []

    def look(rows: Sequence[RequestSummary]) -> None:
        seen.extend(store.query(limit=1, before=None).items[0] == row for row in rows[-1:])
        with ThreadPoolExecutor(1) as other:  # not inside a lock of the writer's either
            seen.append(other.submit(store.get, rows[0].id).result(PATIENCE_S) is not None)

    recorder = store.recorder(look)
    for n in range(5):
        recorder.submit(finished(n))
        assert recorder.flush(PATIENCE_S)
    assert recorder.stop(PATIENCE_S)
    assert seen == [True] * 10


def test_a_publisher_that_raises_stops_nothing(
    store: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(rows: Sequence[RequestSummary]) -> None:
        raise ZeroDivisionError

    recorder = store.recorder(fail)
    for n in range(3):
        recorder.submit(finished(n))
        assert recorder.flush(PATIENCE_S)
    assert recorder.stop(PATIENCE_S)
    assert counts(recorder.stats()) == (3, 3, 0, 0)
    assert caplog.text.count("they are stored") == 3


def test_a_store_that_fails_loses_nothing_and_recovers_by_itself(
    store: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "app.recorder")
    recorder = store.recorder(max_rows=5)
    for episode in (1, 2):
        store.failure = OSError(28, "No space left on device")
        recorder.submit(finished(episode * 100))
        until(lambda: recorder.stats().state == "failed")
        assert "No space left on device" in str(recorder.stats().error)
        for n in range(1, 7):
            recorder.submit(finished(episode * 100 + n))
        assert counts(recorder.stats())[2:] == (2 * episode, 5)
        assert not recorder.flush(0.0)
        for _ in range(2):  # it does try again
            assert store.reached.acquire(timeout=PATIENCE_S)
        store.failure = None
        assert recorder.flush(PATIENCE_S)
        assert counts(recorder.stats()) == (7 * episode, 5 * episode, 2 * episode, 0)
        assert (recorder.stats().state, recorder.stats().error) == ("ok", None)
    assert caplog.text.count("cannot be written") == 2
    assert caplog.text.count("can be written again") == 2
    assert len(store.outcomes()) == 10


def test_stop_writes_what_is_queued_and_takes_nothing_more(
    store: Gate, others: frozenset[threading.Thread]
) -> None:
    recorder = store.recorder(flush_s=3600)
    for n in range(1_500):
        recorder.submit(finished(n))
    recorder.submit(progressed(2_000))
    assert recorder.stop(PATIENCE_S)
    assert not recorder_threads() - others
    assert len(store.outcomes()) == 1_501
    recorder.submit(finished(3_000))
    assert counts(recorder.stats()) == (1_501, 1_500, 1, 0)
    assert recorder.stop(0.0)


def test_stop_gives_up_at_its_deadline_and_says_how_much_is_lost(
    store: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = store.recorder()
    store.hold(recorder)
    recorder.submit(finished(1))
    recorder.submit(finished(2))
    assert not recorder.stop(0.05)
    assert "3 finished requests not written" in caplog.text
    recorder.submit(finished(3))
    assert counts(recorder.stats()) == (4, 0, 1, 3)


def test_stop_tries_a_failing_store_once_more_at_once(
    store: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.recorder.RETRY_FIRST_S", 3600)
    recorder = store.recorder()
    store.failure = OSError(5, "Input/output error")
    recorder.submit(finished(1))
    until(lambda: recorder.stats().state == "failed")
    store.failure = None
    assert recorder.stop(PATIENCE_S)
    assert store.outcomes() == {1: "ok"}


def test_a_stop_that_comes_while_a_try_fails_is_as_quick(
    store: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.recorder.RETRY_FIRST_S", 3600)
    stopped: list[bool] = []

    def stop() -> None:
        stopped.append(recorder.stop(PATIENCE_S))

    def hear(_gap: Gap | None) -> None:
        if stopper.ident is not None:
            return
        store.failure = None
        stopper.start()
        assert recorder._stop.wait(PATIENCE_S)

    stopper = threading.Thread(target=stop)
    store.failure = OSError(5, "Input/output error")
    recorder = store.recorder(news=hear)
    recorder.submit(finished(1))
    until(lambda: stopper.ident is not None)
    stopper.join(PATIENCE_S)
    assert stopped == [True]
    assert store.outcomes() == {1: "ok"}


def test_a_store_that_fails_for_good_does_not_hold_up_the_stop(
    store: Gate, others: frozenset[threading.Thread]
) -> None:
    recorder = store.recorder()
    store.failure = OSError(5, "Input/output error")
    recorder.submit(finished(1))
    until(lambda: recorder.stats().state == "failed")
    assert not recorder.stop(0.1)
    until(lambda: not recorder_threads() - others)
    assert counts(recorder.stats()) == (1, 0, 0, 1)


def test_a_recorder_never_started_stops_and_says_what_it_holds(store: Gate) -> None:
    recorder = Recorder(store, print)
    assert recorder.stop(0.0)
    other = Recorder(store, print)
    other.submit(finished(1))
    assert not other.stop(0.0)


@pytest.mark.parametrize("queued", [0, 1])
def test_a_recorder_that_waits_uses_no_processor(
    store: Gate, others: frozenset[threading.Thread], queued: int
) -> None:
    recorder = store.recorder(flush_s=3600)
    recorder.submit(finished(100))
    assert recorder.flush(PATIENCE_S)
    (thread,) = recorder_threads() - others
    status = Path(f"/proc/self/task/{thread.native_id}/status")

    def wake_ups_during_other_work() -> int:
        before = switches(status.read_text())
        for _ in range(300):
            store.query(limit=1)
        return switches(status.read_text()) - before

    for n in range(queued):
        recorder.submit(finished(n))
    until(lambda: wake_ups_during_other_work() == 0)
    assert wake_ups_during_other_work() == 0
