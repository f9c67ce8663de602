"""Room on the disk: how much is kept free, and what the recorder does without."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.log_facts import Gap
from app.services.space import kept_free, shortage
from tests.app.services.gate import PATIENCE_S, Gate, counts, gated, until
from tests.app.store.samples import finished, progressed

MIB = 1024**2


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Gate]:
    with gated(tmp_path) as opened:
        yield opened


@pytest.mark.parametrize(
    ("total", "free"),
    [(16 * MIB, 4 * MIB), (1024 * MIB, 256 * MIB), (5120 * MIB, 256 * MIB), (2**40, 2**40 // 20)],
)
def test_a_twentieth_is_kept_free_or_256_mib_or_a_quarter(total: int, free: int) -> None:
    assert kept_free(total) == free


def test_a_disk_under_that_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    total = 10_000 * MIB
    free = kept_free(total)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: (total, total - free, free))
    assert shortage(tmp_path) is None
    monkeypatch.setattr(shutil, "disk_usage", lambda _: (total, total - free + 1, free - 1))
    told = shortage(tmp_path)
    assert told is not None
    assert "524 MB left, and 524 MB of it are kept free" in told


def test_without_room_nothing_is_written_and_it_goes_on_by_itself(
    store: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = store.recorder(max_rows=10)
    recorder.submit(progressed(1))
    assert recorder.flush(PATIENCE_S)
    store.short = "no room"
    with caplog.at_level(logging.ERROR, "app.recorder"):
        recorder.submit(finished(1))
        until(lambda: bool(caplog.records))
        assert recorder.stats().state == "failed"
        for n in range(2, 102):
            recorder.submit(finished(n))
        until(lambda: recorder.stats().dropped == 91)
    stats = recorder.stats()
    assert counts(stats) == (101, 0, 91, 10)
    assert stats.error == "no room"
    assert store.outcomes() == {1: "open"}
    assert [r.getMessage() for r in caplog.records] == ["the request log is not written: no room"]
    store.short = None
    until(lambda: recorder.stats().state == "ok")
    recorder.submit(finished(200))
    assert recorder.flush(PATIENCE_S)
    assert counts(recorder.stats()) == (102, 11, 91, 0)
    assert store.outcomes() == dict.fromkeys((*range(1, 11), 200), "ok")
    (gap,) = store.query(limit=50).gaps
    assert (gap.reason, gap.missing) == ("no_room", 91)
    assert gap.began_us <= gap.ended_us


def test_no_room_is_told_before_there_is_anything_to_write(
    store: Gate, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Gap | None] = []
    recorder = store.recorder(news=heard.append)
    recorder.check()
    assert recorder.stats().state == "ok"
    store.short = "no room"
    for _ in range(3):
        recorder.check()
    assert (recorder.stats().state, recorder.stats().error) == ("failed", "no room")
    store.short = None
    for _ in range(3):
        recorder.check()
    assert recorder.stats().state == "ok"
    assert heard == [None, None]
    assert caplog.text.count("is not written: no room") == 1


def test_room_is_no_help_where_something_else_fails(store: Gate) -> None:
    recorder = store.recorder()
    store.failure = OSError(5, "Input/output error")
    recorder.submit(finished(1))
    until(lambda: recorder.stats().state == "failed")
    recorder.check()
    assert "Input/output error" in str(recorder.stats().error)
