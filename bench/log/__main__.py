"""`python -m bench.log`: the table of what is measured beside what is to be reached, and as JSON.

ROWS=10000000 for the full size. The rows are of ten days, made anew, the same ones at each run.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from app.store.day_files import DayFiles
from bench import machine
from bench.log.exporting import exported_beside
from bench.log.figure import Figure
from bench.log.live import lived
from bench.log.rows import DAYS
from bench.log.serving import served
from bench.log.store import appended, exported, indexed, recorded, searched

#: Requests of one round of serving: over a second, so that commits are most of what they wait for.
ROUND = 15_000


def figures(folder: Path, rows: int) -> Iterator[Figure]:
    # Where there are few rows, it is to see that it works: all else is short too.
    share = min(1.0, rows / 1_000_000)
    yield from recorded(folder / "recorded", min(rows, 100_000))
    with closing(DayFiles(folder / "log")) as store:
        yield from appended(store, rows)
        yield Figure("disk", store.stats().bytes / rows * 1e6 / 2**20, "MiB/M rows")
        yield from indexed(store)
        yield Figure("disk with the index", store.stats().bytes / rows * 1e6 / 2**20, "MiB/M rows")
        yield from searched(store, rows)
        yield from exported(store, rows)
    yield from served(max(100, round(ROUND * share)), rounds=7 if share == 1 else 1)
    seconds = max(2.0, 20 * share)
    rate = 1_000 if share == 1 else 100
    yield from lived(folder / "live", rate, seconds)
    yield from exported_beside(folder / "log", rate, max(1.0, 6 * share))


def main() -> int:
    rows = int(os.environ.get("ROWS", "1000000"))
    machine.raise_descriptor_limit()
    described = machine.describe()
    words = ("cores", "processor", "kernel", "Python")
    print(", ".join(f"{word} {described[word]}" for word in words))
    print(f"{rows:,} rows in {DAYS} days")
    done = []
    with tempfile.TemporaryDirectory(prefix="bench-log-") as folder:
        for figure in figures(Path(folder), rows):
            done.append(figure)
            print(figure.line, flush=True)
    output = Path("build/bench-log.json")
    output.parent.mkdir(exist_ok=True)
    found = {f.work: {"value": f.value, "unit": f.unit, "verdict": f.verdict} for f in done}
    output.write_text(json.dumps({"rows": rows, "figures": found}, indent=1), encoding="utf-8")
    print(f"written to {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
