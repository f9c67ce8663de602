"""`python -m bench.log`: what the request log costs, over rows of ten days that it makes itself.

Prints a table of what is measured beside what is to be reached, and writes it as JSON. CPU is of
this process; waits are of its only reader. ROWS=10000000 for the full size.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from app.export import EXPORTS
from app.search.line import parse
from app.services.recorder import Recorder
from app.store.day_files import DayFiles
from sockcore.events import Bytes, Chunk, RequestFinished

BATCH = 1_000
DAYS = 10
DAY_US = 86_400_000_000
FIRST_US = 1_773_489_600_000_000  # 2026-03-14 12:00 UTC
ASKED = 40  # of each search: enough for a p95

_WORDS = (
    "temperature",
    "humidity",
    "battery",
    "door open",
    "ping",
    "温度",
    "湿度",
    "开门",
    "报警",
)


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. `most` or `least`: what is to be reached, in the unit of `value`."""

    work: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def target(self) -> str:
        if self.most is not None:
            return f"<= {self.most:,.0f}"
        return f">= {self.least:,.0f}" if self.least is not None else ""

    @property
    def verdict(self) -> str:
        if self.most is None and self.least is None:
            return ""
        met = self.value <= self.most if self.most is not None else self.value >= (self.least or 0)
        return "met" if met else "NOT MET"


def events(rows: int) -> Iterator[RequestFinished]:
    """Lines of sensors, some of them wrong; the same ones at each run."""
    chance = random.Random(4)
    for number in range(rows):
        word = chance.choice(_WORDS)
        line = f"{word} {number} sensor-{number % 977}\r\n".encode()
        content = Bytes(line, len(line), hashlib.sha256(line).digest())
        day, place = divmod(number * DAYS, rows)
        yield RequestFinished(
            server=f"server-{number % 20}",
            run_id="run-1",
            request_id=number,
            connection_id=number,
            peer=f"10.0.{number % 7}.{number % 251}:{40_000 + number % 20_000}",
            started_us=FIRST_US + day * DAY_US + place * 4_000 // DAYS,
            duration_us=chance.randrange(50, 50_000),
            received=content,
            sent=content,
            chunks=(Chunk(True, 0, len(line)), Chunk(False, 90, len(line))),
            outcome="error" if number % 1_000 == 7 else "ok",
            closed_by="client",
            transport="tcp",
            address="10.0.0.1:9000",
        )


def rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def batches(rows: int) -> Iterator[list[RequestFinished]]:
    batch = []
    for event in events(rows):
        batch.append(event)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def appended(store: DayFiles, rows: int) -> Iterator[Figure]:
    cpu_s = elapsed_s = 0.0
    for batch in batches(rows):
        cpu, began = time.process_time(), time.perf_counter()
        store.append(batch)
        cpu_s += time.process_time() - cpu
        elapsed_s += time.perf_counter() - began
    yield Figure("append, batches of 1,000, FULL", rows / elapsed_s, "rows/s", least=100_000)
    yield Figure("append, CPU", cpu_s / rows * 1e6, "us/row")


def recorded(folder: Path, rows: int) -> Iterator[Figure]:
    """From event to disk: the queue, the writer and the store."""
    with closing(DayFiles(folder)) as store:
        recorder = Recorder(store, lambda _rows: None)
        recorder.start()
        waiting = list(events(rows))
        cpu = time.process_time()
        for number, event in enumerate(waiting):
            recorder.submit(event)
            if number % 20_000 == 19_999:
                recorder.flush(60)
        recorder.flush(60)
        cpu_s = time.process_time() - cpu
        stats = recorder.stats()
        recorder.stop(10)
    assert (stats.stored, stats.dropped) == (rows, 0), stats
    yield Figure("event to disk, CPU", cpu_s / rows * 1e6, "us/row", most=10)


def indexed(store: DayFiles) -> Iterator[Figure]:
    cpu, rows = time.process_time(), 0
    while done := store.build_index():
        rows += done
    if rows:
        yield Figure("index, CPU", (time.process_time() - cpu) / rows * 1e6, "us/row")


def asked(store: DayFiles, name: str, line: Callable[[random.Random], str], most: float) -> Figure:
    """The p95 of a page of 50."""
    chance = random.Random(name)
    waits = []
    for _ in range(ASKED):
        filter_ = parse(line(chance))
        began = time.perf_counter()
        store.query(filter_, limit=50)
        waits.append((time.perf_counter() - began) * 1e3)
    return Figure(f"{name}, p95", statistics.quantiles(waits, n=20)[-1], "ms", most=most)


def searched(store: DayFiles, rows: int) -> Iterator[Figure]:
    def day(chance: random.Random) -> str:
        return time.strftime(
            "%Y-%m-%dT12:00", time.gmtime(FIRST_US // 1_000_000 + chance.randrange(DAYS) * 86_400)
        )

    yield asked(store, "page of everything", lambda _: "", 50)
    yield asked(store, "page of a server", lambda c: f"server:server-{c.randrange(20)}", 50)
    yield asked(store, "page of a peer", lambda c: f"peer:10.0.{c.randrange(7)}.", 50)
    yield asked(store, "page of an outcome", lambda _: "outcome:error", 50)
    yield asked(store, "page of a time", lambda c: f"before:{day(c)}", 50)
    yield asked(store, "text, rare", lambda c: f'" {c.randrange(rows)} "', 300)
    yield asked(store, "text, common", lambda c: f"sensor-{c.randrange(977)}", 300)
    yield asked(store, "text, absent", lambda c: f"absent-{c.randrange(10**6)}", 300)
    yield asked(
        store, "two Chinese characters", lambda c: c.choice(("温度", "报警", "开门")), 1000
    )


def exported(store: DayFiles, rows: int) -> Iterator[Figure]:
    before, most = rss_mib(), 0.0
    for name, export in EXPORTS.items():
        began, size, looked = time.perf_counter(), 0, 0
        for piece in export.encode(store.details()):
            size += len(piece)
            if size >= looked + 1_000_000:
                looked, most = size, max(most, rss_mib())
        elapsed_s = time.perf_counter() - began
        yield Figure(f"export as {name}", rows / elapsed_s, "rows/s")
    yield Figure("exports, memory on top", max(0.0, most - before), "MiB", most=20)


def figures(folder: Path, rows: int) -> Iterator[Figure]:
    yield from recorded(folder / "recorded", min(rows, 100_000))
    with closing(DayFiles(folder / "log")) as store:
        yield from appended(store, rows)
        yield Figure("disk", store.stats().bytes / rows * 1e6 / 2**20, "MiB/M rows")
        yield from indexed(store)
        yield Figure("disk with the index", store.stats().bytes / rows * 1e6 / 2**20, "MiB/M rows")
        yield from searched(store, rows)
        yield from exported(store, rows)


def main() -> int:
    rows = int(os.environ.get("ROWS", "1000000"))
    print(f"{rows:,} rows in {DAYS} days, Python {sys.version.split()[0]}")
    done = []
    with tempfile.TemporaryDirectory() as folder:
        for figure in figures(Path(folder), rows):
            done.append(figure)
            told = f"{figure.value:12,.1f} {figure.unit:10} {figure.target:>10} {figure.verdict}"
            print(f"{figure.work:34}{told}", flush=True)
    output = Path("build/bench-log.json")
    output.parent.mkdir(exist_ok=True)
    found = {f.work: {"value": f.value, "unit": f.unit, "verdict": f.verdict} for f in done}
    output.write_text(json.dumps({"rows": rows, "figures": found}, indent=1), encoding="utf-8")
    print(f"written to {output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
