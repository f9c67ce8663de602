"""A process killed while it writes: what it reported committed is there, byte for byte."""

from __future__ import annotations

import hashlib
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from app.store.day_files import DayFiles
from sockcore.events import RequestFinished
from tests.app.store.samples import DAY_US, NOON_US, finished, progressed

ROOT = Path(__file__).resolve().parents[3]
BATCH = 20


def event(n: int) -> RequestFinished:
    """Request `n`: its bytes follow from its number; every other one belongs to the next day."""
    data = hashlib.sha256(b"%d" % n).digest() * (1 + n % 300)
    return finished(n, data, started_us=NOON_US + n % 2 * DAY_US)


def write_for_ever(data_dir: Path) -> None:
    """Append batches, and print the ids of each once `append` has returned."""
    store = DayFiles(data_dir)
    n = 0
    while True:
        batch = [event(n + i) for i in range(BATCH)]
        rows = store.append([*batch, progressed(n + BATCH)])
        sys.stdout.write(" ".join(f"{row.connection_id}:{row.id}" for row in rows) + "\n")
        sys.stdout.flush()
        n += BATCH + 1


@pytest.mark.parametrize("lines", [1, 30, 60])
def test_every_row_reported_committed_outlives_sigkill(tmp_path: Path, lines: int) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-m", __name__, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
    )
    with writer:
        assert writer.stdout is not None
        reported = [writer.stdout.readline() for _ in range(lines)]
        writer.send_signal(signal.SIGKILL)
        # The last line may be cut, its rows are then not reported.
        reported += [line for line in writer.stdout if line.endswith(b"\n")]
    assert writer.returncode == -signal.SIGKILL
    pairs = [pair.split(":") for line in reported for pair in line.decode().split()]
    assert len(pairs) == len(reported) * (BATCH + 1)

    with closing(DayFiles(tmp_path)) as store:
        still_open = len(reported)
        # One batch may have been committed and not reported yet, or half of it.
        assert still_open <= store.mark_lost() <= still_open + 1
        for number, request_id in pairs:
            found = store.get(request_id)
            assert found is not None
            if found.summary.outcome == "lost":
                assert int(number) % (BATCH + 1) == BATCH
                continue
            sent = event(int(number))
            assert found.received.prefix == found.sent.prefix == sent.received.prefix
            assert found.received.sha256 == sent.received.sha256.hex()
            assert found.summary.started_us == sent.started_us
        (row,) = store.append([finished(10**6)])
        assert int(row.id.split("-")[1]) > max(int(id_.split("-")[1]) for _, id_ in pairs)
    for path in (tmp_path / "requests").glob("*.sqlite3"):
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


if __name__ == "__main__":
    write_for_ever(Path(sys.argv[1]))
