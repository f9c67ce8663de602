"""The real store behind a gate, and the recorders that write to it, for their tests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.domain import RequestSummary
from app.log_facts import LogStats
from app.services.recorder import News, Publish, Recorder
from app.store.day_files import DayFiles
from app.store.requests import RequestEvent
from tests.app.store.samples import finished

PATIENCE_S = 20.0


class Gate(DayFiles):
    """Its `append` waits while the gate is shut, and fails when told to."""

    def __init__(self, data_dir: Path) -> None:
        super().__init__(data_dir)
        self.open = threading.Event()
        self.open.set()
        self.reached = threading.Semaphore(0)
        self.failure: Exception | None = None
        self.short: str | None = None  # why there is no room
        self.batches: list[list[RequestEvent]] = []
        self.recorders: list[Recorder] = []

    def append(self, batch: Sequence[RequestEvent]) -> Sequence[RequestSummary]:
        self.reached.release()
        assert self.open.wait(PATIENCE_S)
        if self.failure:
            raise self.failure
        rows = super().append(batch)
        self.batches.append(list(batch))
        return rows

    def recorder(
        self,
        publish: Publish | None = None,
        *,
        max_rows: int = 65_536,
        max_bytes: int = 2**26,
        flush_s: float = 0.01,
        news: News = lambda _gap: None,
    ) -> Recorder:
        """A recorder that has started."""
        recorder = Recorder(
            self,
            publish or _ignore,
            shortage=lambda: self.short,
            max_rows=max_rows,
            max_bytes=max_bytes,
            flush_s=flush_s,
            news=news,
        )
        self.recorders.append(recorder)
        recorder.start()
        return recorder

    def hold(self, recorder: Recorder, request_id: int = 10**9) -> None:
        """Shut the gate with the writer thread inside and that request in its hands."""
        while self.reached.acquire(blocking=False):
            pass
        self.open.clear()
        recorder.submit(finished(request_id))
        assert self.reached.acquire(timeout=PATIENCE_S)

    def outcomes(self) -> dict[int, str]:
        """The outcome of each stored request, by its connection id; each is there once."""
        rows = self.query(limit=100_000).items
        found = {row.connection_id: row.outcome for row in rows}
        assert len(found) == len(rows)
        return found


@contextmanager
def gated(data_dir: Path) -> Iterator[Gate]:
    """A gate whose recorders are stopped at the end, whatever became of the test."""
    gate = Gate(data_dir)
    try:
        yield gate
    finally:
        gate.failure = gate.short = None
        gate.open.set()
        for recorder in gate.recorders:
            recorder.stop(PATIENCE_S)
        gate.close()


def _ignore(rows: Sequence[RequestSummary]) -> None:
    pass


def until(claim: Callable[[], bool]) -> None:
    """Wait for `claim` to hold."""
    deadline = time.monotonic() + PATIENCE_S
    while not claim():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.002)


def counts(stats: LogStats) -> tuple[int, int, int, int]:
    """received, stored, dropped, pending: checked to be in balance."""
    assert stats.received == stats.stored + stats.dropped + stats.pending
    return stats.received, stats.stored, stats.dropped, stats.pending
