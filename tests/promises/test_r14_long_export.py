"""R14: an export that takes its time does not let the write-ahead log grow without end."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from app.store.day_files import DayFiles
from tests.app.store.samples import finished, requests_of
from tests.promises.serving import short_and_full

MOST_BYTES = 64 * 1024 * 1024

#: Of each direction of a request, so that few of them make a large log.
PAYLOAD = bytes(range(256)) * 16


@pytest.mark.timeout(170)
@short_and_full("batches", 30, 200)
def test_r14_long_export(tmp_path: Path, batches: int) -> None:
    wal = tmp_path / "requests" / "20260314.sqlite3-wal"
    with closing(DayFiles(tmp_path)) as store:
        store.append([finished(n, PAYLOAD) for n in range(1_000)])
        export = requests_of(store.details())
        seen = [next(export).summary.id]
        for batch in range(1, batches + 1):
            store.append([finished(batch * 1_000 + n, PAYLOAD) for n in range(1_000)])
            seen += [next(export).summary.id for _ in range(3)]
            assert wal.stat().st_size <= MOST_BYTES
        seen += [detail.summary.id for detail in export]
    # All that was there when it began, once, though as much came meanwhile.
    assert [int(each.partition("-")[2]) for each in seen] == list(range(1_000, 0, -1))
