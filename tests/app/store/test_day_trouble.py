"""Day files in trouble: locked, half written, foreign, of another version."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from app.domain import RequestSummary
from app.errors import Unavailable
from app.failpoints import arm
from app.store.day_files import DayFiles
from app.store.day_schema import insert_values
from app.store.day_writer import DayWriter
from app.store.requests import DiskFailed, RequestEvent, RequestStore
from tests.app.store.samples import DAY_US, NOON_US, finished, progressed


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DayFiles]:
    with closing(DayFiles(tmp_path)) as opened:
        yield opened


def newest(store: RequestStore) -> list[RequestSummary]:
    return list(store.query(limit=1_000).items)


def test_a_batch_that_failed_halfway_comes_out_once_when_given_again(
    store: DayFiles, tmp_path: Path
) -> None:
    batch: list[RequestEvent] = [
        finished(1),
        progressed(2),
        finished(3, started_us=NOON_US + DAY_US),
    ]
    in_the_way = tmp_path / "requests" / "20260315.sqlite3"
    in_the_way.mkdir(parents=True)
    with pytest.raises(sqlite3.OperationalError):
        store.append(batch)
    with pytest.raises(sqlite3.OperationalError):
        store.append(batch)
    in_the_way.rmdir()
    rows = store.append(batch)
    assert [row.id for row in rows] == ["20260314-1", "20260314-2", "20260315-3"]
    assert sorted(newest(store), key=lambda row: row.started_us) == rows
    (done,) = store.append([finished(2)])
    assert done.id == "20260314-2"


def test_a_locked_file_fails_the_whole_batch_and_takes_it_later(
    store: DayFiles, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.store.day_writer.BUSY_TIMEOUT_S", 0.01)
    store.append([finished(1)])
    batch = [finished(2), finished(3)]
    path = tmp_path / "requests" / "20260314.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            store.append(batch)
        assert len(newest(store)) == 1
        other.execute("ROLLBACK")
    assert [row.id for row in store.append(batch)] == ["20260314-2", "20260314-3"]


def test_a_write_that_hangs_does_not_hold_up_closing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("app.store.day_files.CLOSE_WAIT_S", 0.05)
    monkeypatch.setattr("app.store.day_writer.BUSY_TIMEOUT_S", 30.0)
    store = DayFiles(tmp_path)
    store.append([finished(1)])
    path = tmp_path / "requests" / "20260314.sqlite3"
    with (
        ThreadPoolExecutor(1) as pool,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        hanging = pool.submit(store.append, [finished(2)])
        while "does not end" not in caplog.text:  # until the append has begun, there is nothing
            store.close()
        assert not hanging.done()
        other.execute("ROLLBACK")
        assert [row.id for row in hanging.result(20)] == ["20260314-2"]
    store.close()


def test_a_file_of_another_version_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with closing(DayFiles(tmp_path)) as store:
        store.append([finished(1)])
    path = tmp_path / "requests" / "20260314.sqlite3"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 9")
    with pytest.raises(Unavailable, match=r"20260314\.sqlite3 has version 9") as refused:
        DayFiles(tmp_path)
    assert refused.value.code == "request_log_unknown_version"


def test_a_file_of_version_1_is_brought_to_this_one(tmp_path: Path) -> None:
    (tmp_path / "requests").mkdir()
    path = tmp_path / "requests" / "20260314.sqlite3"
    script = Path(__file__).with_name("day_file_v1.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    with closing(DayFiles(tmp_path)) as store:
        (old,) = newest(store)
        assert (old.id, old.preview, old.transport, old.address) == ("20260314-7", b"hi", "", "")
        (new,) = store.append([finished(2, transport="udp", address="[::1]:9", truncated=True)])
        assert new.id == "20260314-8"
        assert newest(store) == [new, old]
        assert (new.transport, new.address, new.truncated) == ("udp", "[::1]:9", True)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "requests" / "20260314.sqlite3").mkdir(parents=True)
    with pytest.raises(Unavailable, match=r"20260314\.sqlite3 cannot be read") as refused:
        DayFiles(tmp_path)
    assert refused.value.code == "request_log_unreadable"


def test_a_file_left_without_its_schema_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / "20260314.sqlite3").touch()
    with closing(DayFiles(tmp_path)) as store:
        assert store.mark_lost() == 0
        assert newest(store) == []
        assert store.get("20260314-1") is None
        (row,) = store.append([finished(1)])
        assert newest(store) == [row]


def test_strangers_in_the_directory_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "requests").mkdir()
    (tmp_path / "requests" / "notes.sqlite3").write_bytes(b"mine")
    with closing(DayFiles(tmp_path)) as store:
        (row,) = store.append([finished(1)])
        assert newest(store) == [row]


@pytest.fixture(autouse=True)
def _nothing_is_left_armed() -> Iterator[None]:
    yield
    arm("")


def fail_once(store: DayFiles, batch: list[RequestEvent]) -> None:
    with pytest.raises(DiskFailed, match=r"20260314\.sqlite3: .*Input/output error"):
        store.append(batch)


def test_what_a_failed_commit_left_in_the_file_comes_out_once(
    store: DayFiles, tmp_path: Path
) -> None:
    """A commit whose fsync failed is written, and found by whoever opens the file next."""
    store.append([finished(1)])
    batch: list[RequestEvent] = [finished(2), finished(3)]
    arm("log.before_begin=raise:EIO*1")
    fail_once(store, batch)
    path = tmp_path / "requests" / "20260314.sqlite3"
    with closing(DayWriter(path, "0" * 32)) as found:
        values = [insert_values(event, seq) for seq, event in enumerate(batch, start=2)]
        found.write(values, [], [])
    rows = store.append(batch)
    assert [row.id for row in rows] == ["20260314-2", "20260314-3"]
    assert [row.id for row in newest(store)] == ["20260314-3", "20260314-2", "20260314-1"]


def test_a_file_that_is_damaged_after_the_disk_failed_is_set_aside(
    store: DayFiles, tmp_path: Path
) -> None:
    store.append([finished(n, b"x" * 500) for n in range(200)])
    arm("log.before_begin=raise:EIO*1")
    fail_once(store, [finished(200)])
    path = tmp_path / "requests" / "20260314.sqlite3"
    data = bytearray(path.read_bytes())
    data[-8192:] = bytes(byte ^ 0xFF for byte in data[-8192:])
    path.write_bytes(data)
    (row,) = store.append([finished(200)])
    assert newest(store) == [row]
    assert len(store.damaged()) == 1


def test_looking_for_damage_ends_in_time(store: DayFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.store.day_writer.CHECK_S", -1.0)
    store.append([finished(n, b"x" * 500) for n in range(2_000)])
    arm("log.before_begin=raise:EIO*1")
    fail_once(store, [finished(2_000)])
    (row,) = store.append([finished(2_000)])
    assert row.id == "20260314-2001"


@pytest.mark.parametrize(
    "place", ["before_begin", "after_insert", "before_commit", "after_commit"]
)
def test_a_full_disk_is_no_failure_of_it(store: DayFiles, place: str) -> None:
    store.append([finished(1)])
    arm(f"log.{place}=enospc*1")
    with pytest.raises(OSError, match="No space left") as raised:
        store.append([finished(2)])
    assert not isinstance(raised.value, DiskFailed)
    (row,) = store.append([finished(2)])
    assert row.id == "20260314-2"
