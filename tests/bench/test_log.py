"""`make bench-log`: it measures every line of its table, over few rows here."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from bench.log import events

ROOT = Path(__file__).resolve().parents[2]

#: What a table without any of these would not show.
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
}


def test_table_has_every_line(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench.log"],
        cwd=tmp_path,
        env={**os.environ, "ROWS": "11000", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=55,
    )
    assert done.returncode == 0, done.stderr
    written = json.loads((tmp_path / "build" / "bench-log.json").read_text(encoding="utf-8"))
    assert written["rows"] == 11_000
    assert written["figures"].keys() >= WORKS
    for work, figure in written["figures"].items():
        assert work in done.stdout
        assert figure["value"] >= 0, work
        assert figure["verdict"] in ("", "met", "NOT MET")


def test_rows_are_of_ten_days_and_the_same_each_time() -> None:
    made = list(events(100))
    assert made == list(events(100))
    assert len({event.started_us // 86_400_000_000 for event in made}) == 10
    assert {event.outcome for event in made} == {"ok", "error"}
