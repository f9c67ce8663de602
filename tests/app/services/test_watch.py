"""Clocks that jump, processes that stand still and recordings that fail are told of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.log_facts import Gap
from app.services.ballast import Ballast
from app.services.watch import Clocks, Watch
from tests.app.services.gate import PATIENCE_S, Gate, gated, until

DAY_US = 86_400_000_000


class Time:
    """The clocks, set by hand."""

    def __init__(self) -> None:
        self.wall_us = self.steady_us = 1_773_489_600_000_000
        self.busy_us = 0

    def clocks(self) -> Clocks:
        return Clocks(lambda: self.wall_us, lambda: self.steady_us, lambda: self.busy_us)

    def go_on(self, us: int) -> None:
        self.wall_us += us
        self.steady_us += us


class Counted(Clocks):
    looks = 0

    def look(self, *, at_work: bool = False) -> list[Gap]:
        found = super().look(at_work=at_work)
        self.looks += 1
        return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Gate]:
    with gated(tmp_path) as opened:
        yield opened


def test_time_that_goes_on_is_nothing_to_tell_of() -> None:
    time = Time()
    clocks = time.clocks()
    for us in (500_000, 2_400_000, 0, 500_000):
        time.go_on(us)
        time.wall_us += 20_000  # a time service puts it right
        assert clocks.look() == []


@pytest.mark.parametrize("step_us", [DAY_US, -DAY_US, 1_000_000, -3_600_000_000])
def test_a_clock_that_is_set_is_told_of_once(step_us: int) -> None:
    time = Time()
    clocks = time.clocks()
    time.go_on(500_000)
    began_us = time.wall_us
    time.wall_us += step_us
    (gap,) = clocks.look()
    assert (gap.reason, gap.missing) == ("clock_step", 0)
    assert (gap.began_us, gap.ended_us) == (began_us, began_us + step_us)
    time.go_on(500_000)
    assert clocks.look() == []


@pytest.mark.parametrize(("busy_us", "gaps"), [(0, 1), (7_000_000, 1), (8_000_000, 0)])
def test_a_process_that_was_busy_stood_not_still(busy_us: int, gaps: int) -> None:
    time = Time()
    clocks = time.clocks()
    time.go_on(30_000_000)
    time.busy_us += busy_us
    assert len(clocks.look()) == gaps


def test_a_process_that_stood_still_is_told_of_once() -> None:
    time = Time()
    clocks = time.clocks()
    began_us = time.wall_us
    time.go_on(30_000_000)
    (gap,) = clocks.look()
    assert (gap.reason, gap.missing) == ("stalled", None)
    assert (gap.began_us, gap.ended_us) == (began_us, began_us + 30_000_000)
    time.go_on(500_000)
    assert clocks.look() == []


@given(st.lists(st.tuples(st.integers(0, 10**8), st.integers(-DAY_US, DAY_US)), max_size=20))
def test_what_is_told_accounts_for_the_clocks(steps: list[tuple[int, int]]) -> None:
    """No stand is shorter than nothing, and no step is lost but those too small to tell."""
    time = Time()
    clocks = time.clocks()
    for passed_us, step_us in steps:
        time.go_on(passed_us)
        time.wall_us += step_us
        found = {gap.reason: gap for gap in clocks.look()}
        assert ("stalled" in found) == (passed_us >= 2_500_000)
        assert ("clock_step" in found) == (abs(step_us) >= 1_000_000)
        if still := found.get("stalled"):
            assert still.ended_us - still.began_us == passed_us
        if step := found.get("clock_step"):
            assert step.ended_us - step.began_us == step_us


def test_the_log_says_what_the_clocks_did(store: Gate, tmp_path: Path) -> None:
    time = Time()
    recorder = store.recorder()
    watch = Watch(recorder, Ballast(tmp_path), time.clocks())
    time.go_on(30_000_000)
    time.wall_us -= DAY_US
    watch.look()
    assert recorder.flush(PATIENCE_S)
    assert [gap.reason for gap in store.query(limit=1).gaps] == ["stalled", "clock_step"]


def test_room_is_looked_for_without_a_request(store: Gate, tmp_path: Path) -> None:
    told: list[Gap | None] = []
    recorder = store.recorder(news=told.append)
    watch = Watch(recorder, Ballast(tmp_path), Time().clocks())
    watch.look()
    store.short = "no room"
    watch.look()
    assert recorder.stats().state == "failed"
    store.short = None
    watch.look()
    assert recorder.stats().state == "ok"
    assert told == [None, None]


def test_a_disk_that_takes_its_time_is_no_stand(store: Gate, tmp_path: Path) -> None:
    time = Time()

    class Slow(Ballast):
        def look(self) -> None:
            time.go_on(30_000_000)
            time.wall_us += DAY_US

    recorder = store.recorder()
    watch = Watch(recorder, Slow(tmp_path), time.clocks())
    for _ in range(2):
        watch.look()
    assert recorder.flush(PATIENCE_S)
    assert [gap.reason for gap in store.query(limit=1).gaps] == ["clock_step", "clock_step"]


def test_a_disk_in_trouble_is_told_of_once_and_the_rest_goes_on(
    store: Gate, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    time = Time()
    recorder = store.recorder()
    watch = Watch(recorder, Ballast(tmp_path / "nowhere"), time.clocks())
    for _ in range(3):
        time.go_on(5_000_000)
        watch.look()
    assert caplog.text.count("not as it should be") == 1
    assert recorder.flush(PATIENCE_S)
    assert len(store.query(limit=1).gaps) == 3


def test_it_looks_by_itself_and_ends_when_told(store: Gate, tmp_path: Path) -> None:
    gaps: list[Gap | None] = []
    time = Time()
    clocks = Counted(lambda: time.wall_us, lambda: time.steady_us, lambda: time.busy_us)
    watch = Watch(store.recorder(news=gaps.append), Ballast(tmp_path), clocks)
    time.go_on(60_000_000)  # before the start nobody looked
    watch.start()
    until(lambda: clocks.looks > 0)
    time.go_on(30_000_000)
    until(lambda: [gap and gap.reason for gap in gaps] == ["stalled"])
    watch.stop(PATIENCE_S)
    time.go_on(30_000_000)
    assert len(gaps) == 1
