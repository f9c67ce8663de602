"""What the operations page says of a day file: its columns, and queries that work on one."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.store.day_files import DayFiles
from sockcore.events import RequestFinished
from tests.app.store.samples import NOON_US, finished

PAGE = Path(__file__).resolve().parents[3] / "docs" / "operations.md"
SECTION = PAGE.read_text(encoding="utf-8").partition("## A day file by hand")[2]
SECTION = SECTION.partition("\n## ")[0]
QUERIES = re.findall(r"(?ms)^```sql\n(.*?)^```$", SECTION)

#: What each query finds in `day`, in their order.
FOUND: list[list[tuple[Any, ...]]] = [
    [("echo", "ok", 18, 126, 126), ("clock", "error", 2, 6, 6)],
    [("12:00", 20)],
    [
        (n, "12:00:00", "127.0.0.1:50000", float(n), "hello\r\n")
        for n in (19, 18, 17, 16, 15, 14, 13, 12, 11, 9)
    ],
    [("127.0.0.1:50000", 18)],
    [(n, "clock", "127.0.0.1:50000", "ValueError: no") for n in (20, 10)],
    [(0, "in"), (1, "out")],
]


@pytest.fixture
def day(tmp_path: Path) -> Path:
    """20 requests, every tenth of which failed; request n took n ms and is row n."""
    with closing(DayFiles(tmp_path)) as store:
        store.append([_request(n) for n in range(1, 21)])
    return tmp_path / "requests" / "20260314.sqlite3"


def _request(n: int) -> RequestFinished:
    started_us, duration_us = NOON_US + n, n * 1_000
    if n % 10:
        return finished(n, started_us=started_us, duration_us=duration_us)
    failed = {"server": "clock", "outcome": "error", "error": "ValueError: no"}
    made = finished(n, b"bye", started_us=started_us, duration_us=duration_us)
    return replace(made, **failed)  # type: ignore[arg-type]


def test_every_query_is_of_those_that_are_tried() -> None:
    assert len(QUERIES) == len(FOUND)


@pytest.mark.parametrize("number", range(len(FOUND)))
def test_query_finds_what_it_says(day: Path, number: int) -> None:
    with closing(sqlite3.connect(f"{day.as_uri()}?mode=ro", uri=True)) as connection:
        assert connection.execute(QUERIES[number]).fetchall() == FOUND[number]


def test_every_column_is_written_down(day: Path) -> None:
    rows = re.findall(r"(?m)^\| (`.+?`) \| ", SECTION)
    named = " ".join(rows).replace("`", "").split()
    with closing(sqlite3.connect(f"{day.as_uri()}?mode=ro", uri=True)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_xinfo(requests)")]
    assert sorted(named) == sorted(columns)


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="sqlite3's shell is not installed")
def test_bytes_come_to_a_file(day: Path) -> None:
    (command,) = re.findall(r'(?m)^sqlite3 -readonly \S+ "(SELECT writefile.+)"$', SECTION)
    subprocess.run(
        ["sqlite3", "-readonly", str(day), command], cwd=day.parent, check=True, timeout=20
    )
    assert (day.parent / "received.bin").read_bytes() == b"hello\r\n"
