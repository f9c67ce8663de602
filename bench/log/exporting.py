"""What exports of the whole log cost those who are served meanwhile, and in memory: of the app."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.export import EXPORTS
from bench.log.app import App
from bench.log.figure import Figure, percentile
from bench.log.load import Said, loaded
from bench.log.serving import on_the_last_core

#: Requests a second; seconds without an export before each, with which it is compared.
RATE = 1_000
QUIET_S = 6.0

#: Seconds that all of it may take.
_MOST_S = 1_800


@dataclass(frozen=True, slots=True)
class _Span:
    """Unix seconds, and the most memory of the app meanwhile, in MiB."""

    since: float
    until: float
    rss_mib: float


def exported_beside(
    data_dir: Path, rate: int = RATE, quiet_s: float = QUIET_S
) -> Iterator[Figure]:
    """`data_dir` holds the log, which nobody else has open."""
    spans: dict[str, tuple[_Span, _Span]] = {}
    with on_the_last_core(), closing(App(data_dir)) as app:
        with loaded(app.echo(), rate, _MOST_S) as load:
            time.sleep(quiet_s)  # it warms up
            for name in EXPORTS:
                quiet = _watched(app, partial(time.sleep, quiet_s))
                spans[name] = (quiet, _watched(app, partial(_export, app, name)))
            said = load.said()
        dropped = app.call("GET", "log/stats")["dropped"]
    if dropped:
        raise RuntimeError(f"{dropped} requests were dropped")
    for name, (quiet, busy) in spans.items():
        yield from _compared(name, said, quiet, busy, rate)


def _compared(name: str, said: Said, quiet: _Span, busy: _Span, rate: int) -> Iterator[Figure]:
    before_s, beside_s = (
        percentile(said.between(span.since, span.until), 99) for span in (quiet, busy)
    )
    yield Figure(f"serving {rate:,}/s before it, p99, {name}", before_s * 1e3, "ms")
    yield Figure(f"beside an export as {name}, p99", beside_s * 1e3, "ms")
    yield Figure(f"beside an export as {name}, p99, times", beside_s / before_s, "x", most=2)
    grown = max(0.0, busy.rss_mib - quiet.rss_mib)
    yield Figure(f"app's memory on top, export as {name}", grown, "MiB", most=20)


def _watched(app: App, deed: Callable[[], None]) -> _Span:
    began = time.time()
    with highest(app) as rss:
        deed()
    return _Span(began, time.time(), max(rss))


def _export(app: App, name: str) -> None:
    with app.ask(f"requests/export?format={name}") as answer:
        while answer.read(1 << 16):
            pass


@contextmanager
def highest(app: App) -> Iterator[list[float]]:
    """Looks at the memory of the app, in MiB, while the body runs."""
    found, over = [app.rss_mib()], threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            found.append(app.rss_mib())

    thread = threading.Thread(target=look, name="memory")
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()
