"""How figures become verdicts, and that CPU is counted whole."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from bench.process import cpu_s
from bench.results import Judged, Row, judge
from bench.works import Target


def rows(ours: list[float], theirs: list[float]) -> list[Row]:
    def made(name: str, figures: list[float]) -> Row:
        return Row(name, [{"cpu_us": cpu, "rate": 1000 / cpu} for cpu in figures])

    return [made("ours", ours), made("theirs", theirs)]


def test_a_ratio_is_the_median_of_neighbours() -> None:
    """Round 2 was noisy for both, round 3 for one: neither counts."""
    target = Target(row="ours", baseline="theirs", at_least=2.0)
    judged = judge(target, rows([10, 90, 40], [25, 180, 25]))
    assert judged.measured == pytest.approx(2.0)
    assert judged.rate == pytest.approx(2.0)
    assert judged.met


def test_within_is_the_other_way_round() -> None:
    target = Target(row="ours", baseline="theirs", at_most=1.3)
    assert judge(target, rows([12], [10])).met
    assert not judge(target, rows([14], [10])).met


@pytest.mark.parametrize(
    ("answered", "met"), [(1.0, True), (0.99, False)], ids=["all", "but one unanswered"]
)
def test_a_figure_of_its_own_holds_only_if_all_were_answered(answered: float, met: bool) -> None:
    target = Target(row="ours", figure="rss_mib", at_most=60)
    row = Row("ours", [{"rss_mib": 50.0, "answered": answered}])
    assert judge(target, [row]).met is met


def test_without_its_baseline_a_target_is_not_met() -> None:
    target = Target(row="ours", baseline="theirs", at_least=2.0)
    missing = Row("theirs", missing="not installed")
    judged = judge(target, [rows([1], [5])[0], missing])
    assert judged == Judged("ours", "cpu_us", "theirs", 2.0, None, None, None)
    assert not judged.met


def test_cpu_of_children_is_counted_alive_and_reaped() -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass\nprint(flush=True)\ninput()"
    before = cpu_s(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", burn], stdin=-1, stdout=-1)
    assert child.stdout is not None
    assert child.stdout.readline() == b"\n"
    assert cpu_s(child.pid) >= 0.2
    child.communicate(b"\n", timeout=10)
    assert cpu_s(os.getpid()) - before >= 0.19  # the kernel tells of reaped ones in hundredths
    assert cpu_s(child.pid) == 0.0
