"""R15: the queue of the log is full. received = stored + dropped + pending, exactly, always; and
the gaps in the log say how many are missing."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest

from app.services.recorder import Recorder
from tests.app.services.gate import Gate
from tests.app.store.samples import finished
from tests.promises.serving import short_and_full
from tests.waiting import DEADLINE_S

THREADS = 4


@pytest.mark.timeout(170)
@short_and_full("requests", 5_000, 200_000)
def test_r15_full_queue(tmp_path: Path, requests: int) -> None:
    with closing(Gate(tmp_path)) as store:
        recorder = Recorder(store, lambda _rows: None, max_rows=requests // 4)
        recorder.start()
        store.open.clear()
        stop, wrong = threading.Event(), list[str]()

        def look() -> None:
            while not stop.is_set():
                stats = recorder.stats()
                if stats.received != stats.stored + stats.dropped + stats.pending:
                    wrong.append(repr(stats))

        def send(first: int) -> None:
            for number in range(first, requests, THREADS):
                recorder.submit(finished(number))

        looking = threading.Thread(target=look)
        looking.start()
        senders = [threading.Thread(target=send, args=(n,)) for n in range(THREADS)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(DEADLINE_S * 5)
        assert recorder.stats().dropped >= requests // 2
        store.open.set()
        assert recorder.flush(5 * DEADLINE_S)
        stop.set()
        looking.join(DEADLINE_S)
        stats = recorder.stats()
        assert wrong == []
        assert (stats.received, stats.pending) == (requests, 0)
        assert store.stats().durable_seq == stats.stored == requests - stats.dropped
        gaps = store.query(limit=1).gaps
        assert sum(gap.missing or 0 for gap in gaps) == stats.dropped
        assert {gap.reason for gap in gaps} == {"dropped"}
        assert recorder.stop(DEADLINE_S)
