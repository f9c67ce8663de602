"""`make bench-log`: it measures every line of its table, over few rows here."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.log.figure import Figure, percentile
from bench.log.rows import events
from bench.log.serving import _check

ROOT = Path(__file__).resolve().parents[2]

#: What a table without any of these would not show. At full size there are 1,000 requests/s.
WORKS = {
    "event to disk, CPU",
    "append, batches of 1,000, FULL",
    "index, CPU",
    "page of a server, p95",
    "page of a peer, p95",
    "page of an outcome, p95",
    "page of a time, p95",
    "text, rare, p95",
    "two Chinese characters, p95",
    "exports, memory on top",
    "serving, log on, of log off",
    "serving, log on, of bare ThreadingTCPServer",
    "row in the events at 100/s, p95",
    "row in the browser at 100/s, p95",
    *(f"beside an export as {name}, p99, times" for name in ("csv", "jsonl", "pcapng")),
    *(f"app's memory on top, export as {name}" for name in ("csv", "jsonl", "pcapng")),
}

#: That row of the live page is there only where its updates come in time for each.
SHARES = {"rows in the events at 100/s", "rows in the browser at 40/s"}


@pytest.mark.timeout(170)
def test_table_has_every_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.log"],
        cwd=tmp_path,
        env={**os.environ, "ROWS": "11000", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=160,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    written = json.loads((tmp_path / "build" / "bench-log.json").read_text(encoding="utf-8"))
    figures = written["figures"]
    assert written["rows"] == 11_000
    assert figures.keys() >= WORKS | SHARES
    for work, figure in figures.items():
        assert work in done.stdout
        assert figure["value"] >= 0, work
        assert figure["verdict"] in ("", "met", "NOT MET")
    assert {figures[work]["value"] for work in SHARES} == {100.0}


def test_rows_are_of_ten_days_and_the_same_each_time() -> None:
    made = list(events(100))
    assert made == list(events(100))
    assert len({event.started_us // 86_400_000_000 for event in made}) == 10
    assert {event.outcome for event in made} == {"ok", "error"}


@pytest.mark.parametrize(
    ("figure", "target", "verdict"),
    [
        (Figure("x", 50.0, "ms", most=50), "<= 50", "met"),
        (Figure("x", 50.1, "ms", most=50), "<= 50", "NOT MET"),
        (Figure("x", 1.5, "x", least=1.5), ">= 1.5", "met"),
        (Figure("x", 99_999.0, "rows/s", least=100_000), ">= 100,000", "NOT MET"),
        (Figure("x", 0.0, "ms", most=9, missing="no browser"), "<= 9", "not measured: no browser"),
        (Figure("x", 1.0, "ms"), "", ""),
    ],
)
def test_figure_says_whether_its_target_is_met(figure: Figure, target: str, verdict: str) -> None:
    assert (figure.target, figure.verdict) == (target, verdict)
    assert verdict in figure.line


def test_percentile_is_one_of_the_waits() -> None:
    waits = [float(n) for n in range(100, 0, -1)]
    assert [percentile(waits, at) for at in (0, 50, 95, 99, 100)] == [1, 51, 96, 100, 100]


def test_what_is_dropped_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.log.serving.TOLD_S", 0.1)
    late = iter(["stored 9 dropped 0", "stored 10 dropped 0"])
    _check(lambda: next(late), 10)
    for said in ("stored 9 dropped 1", "stored 9 dropped 0", ""):
        with pytest.raises(RuntimeError):
            _check(itertools.repeat(said).__next__, 10)
