"""What the log costs by itself, in this process: to write, to index, to search, to export.

CPU is of this process; waits are of its only reader.
"""

from __future__ import annotations

import itertools
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from app.export import EXPORTS
from app.search.line import parse
from app.services.recorder import Recorder
from app.store.day_files import DayFiles
from bench.log.figure import Figure, percentile
from bench.log.rows import DAY_US, DAYS, FIRST_US, batches, events

ASKED = 40  # of each search: enough for a p95


def rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


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
    cpu_s = 0.0
    with closing(DayFiles(folder)) as store:
        recorder = Recorder(store, lambda _rows: None)
        recorder.start()
        coming = events(rows)
        while waiting := list(itertools.islice(coming, 20_000)):
            cpu = time.process_time()
            for event in waiting:
                recorder.submit(event)
            recorder.flush(60)
            cpu_s += time.process_time() - cpu
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
    return Figure(f"{name}, p95", percentile(waits, 95), "ms", most=most)


def searched(store: DayFiles, rows: int) -> Iterator[Figure]:
    def day(chance: random.Random) -> str:
        return time.strftime(
            "%Y-%m-%dT12:00",
            time.gmtime((FIRST_US + chance.randrange(DAYS) * DAY_US) // 1_000_000),
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
