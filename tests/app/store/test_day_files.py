from __future__ import annotations

import hashlib
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from app.domain import RequestDetail, RequestSummary
from app.store import day_reader
from app.store.day_files import DayFiles
from app.store.requests import RequestStore
from sockcore.events import Bytes, Chunk
from tests.app.store.samples import DAY_US, NOON_US, content, finished, progressed

TRACEBACK = "Traceback (most recent call last):\n  …\nValueError: no such 时间\n"
PAYLOADS = [
    b"",
    b"\0",
    b"before\0after\0",
    b"\xff\xfe\x80 invalid \xc3\x28",
    "你好，世界".encode(),
    b"<img src=x onerror=alert(1)>",
    b"\n\nevent: x\ndata: y\n\n",
    bytes(range(256)) * 4096,
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DayFiles]:
    with closing(DayFiles(tmp_path)) as opened:
        yield opened


def newest(store: RequestStore) -> list[RequestSummary]:
    return list(store.query(limit=1_000).items)


def detail(store: RequestStore, request_id: str) -> RequestDetail:
    found = store.get(request_id)
    assert found is not None
    return found


def test_a_request_comes_back_whole(store: DayFiles) -> None:
    (row,) = store.append(
        [
            finished(
                7,
                b"what time is it\n",
                connection_id=3,
                sent=content(b"noon\n" * 40, kept=5),
                chunks=(Chunk(True, 0, 10), Chunk(True, 40, 6), Chunk(False, 99, 200)),
                outcome="error",
                closed_by="handler",
                error=TRACEBACK,
            )
        ]
    )
    assert row == RequestSummary(
        id="20260314-1",
        server="echo",
        peer="127.0.0.1:50000",
        connection_id=3,
        started_us=NOON_US + 7,
        duration_us=1_000,
        bytes_in=16,
        bytes_out=200,
        outcome="error",
        closed_by="handler",
        error="ValueError: no such 时间",
        preview=b"what time is it\n",
    )
    assert newest(store) == [row]
    found = detail(store, row.id)
    assert found.summary == row
    assert found.traceback == TRACEBACK
    assert found.sent.prefix == b"noon\n"
    assert found.sent.truncated
    assert found.sent.sha256 == hashlib.sha256(b"noon\n" * 40).hexdigest()
    assert [chunk.data for chunk in found.tape] == [b"what time ", b"is it\n", b"noon\n"]
    assert [chunk.offset_us for chunk in found.tape] == [0, 40, 99]


@pytest.mark.parametrize("data", PAYLOADS, ids=lambda data: repr(data[:12]))
def test_payloads_are_kept_byte_for_byte(store: DayFiles, data: bytes) -> None:
    (row,) = store.append([finished(1, data)])
    found = detail(store, row.id)
    assert found.received.prefix == found.sent.prefix == data
    assert found.received.total == len(data)
    assert found.received.sha256 == (hashlib.sha256(data).hexdigest() if data else "")
    assert row.preview == newest(store)[0].preview == data[:64]


def test_text_that_utf8_has_no_place_for_is_spelt_out(store: DayFiles) -> None:
    peer = b"/run/\xff.sock".decode("utf-8", "surrogateescape")
    (row,) = store.append([finished(1, peer=peer, outcome="error", error=f"OSError: {peer}")])
    assert row.peer == r"/run/\udcff.sock"
    assert row.error == r"OSError: /run/\udcff.sock"
    assert newest(store) == [row]


def test_an_open_request_has_one_row_that_its_end_completes(store: DayFiles) -> None:
    (opened,) = store.append([progressed(1, b"he")])
    assert (opened.outcome, opened.closed_by, opened.bytes_in) == ("open", None, 2)
    (grown,) = store.append([progressed(1, b"hel")])
    (other,) = store.append([finished(2)])
    (ended,) = store.append([finished(1, b"hello")])
    assert opened.id == grown.id == ended.id != other.id
    assert (ended.outcome, ended.closed_by, ended.bytes_in) == ("ok", "client", 5)
    assert newest(store) == [other, ended]
    assert detail(store, ended.id).received.prefix == b"hello"
    assert [chunk.data for chunk in detail(store, ended.id).tape] == [b"hello", b"hello"]


def test_the_same_request_id_in_another_run_or_server_is_another_request(store: DayFiles) -> None:
    store.append([progressed(1), progressed(1, run_id="run-2"), progressed(1, server="clock")])
    store.append([finished(1, run_id="run-2")])
    assert [(row.server, row.outcome) for row in newest(store)] == [
        ("clock", "open"),
        ("echo", "ok"),
        ("echo", "open"),
    ]


def test_of_one_batch_the_last_event_of_a_request_counts(store: DayFiles) -> None:
    rows = store.append([progressed(1, b"h"), progressed(2), progressed(1, b"he"), finished(1)])
    assert [(row.id, row.outcome) for row in rows] == [
        ("20260314-1", "ok"),
        ("20260314-2", "open"),
    ]
    assert newest(store) == rows[::-1]


def test_a_report_overtaken_by_the_end_is_ignored(store: DayFiles) -> None:
    (row,) = store.append([progressed(1, b"h"), finished(1, b"hello"), progressed(1, b"he")])
    assert row.outcome == "ok"
    assert store.mark_lost() == 0


def test_rows_come_back_by_seq_each_once(store: DayFiles) -> None:
    store.append([progressed(1), progressed(2)])
    rows = store.append([finished(9), finished(2), progressed(8), finished(1)])
    assert [row.id for row in rows] == [f"20260314-{seq}" for seq in (1, 2, 3, 4)]
    assert [row.started_us - NOON_US for row in rows] == [1, 2, 9, 8]


def test_an_end_without_payload_keeps_the_payload_stored(store: DayFiles) -> None:
    store.append([progressed(1, b"hello")])
    bare = finished(1, received=Bytes(b"", 9, b"\1" * 32), sent=Bytes(), chunks=())
    (row,) = store.append([bare])
    found = detail(store, row.id)
    assert (row.outcome, row.bytes_in) == ("ok", 9)
    assert (found.received.prefix, found.received.total) == (b"hello", 9)
    assert found.received.sha256 == "01" * 32
    assert [chunk.data for chunk in found.tape] == [b"hello"]


def test_a_tape_without_payload_is_completed_and_takes_the_payload_with_it(
    store: DayFiles,
) -> None:
    """As of a server that keeps sizes only, and did not when the request began."""
    store.append([progressed(1, b"hello")])
    sizes = (Chunk(True, 0, 5), Chunk(True, 9, 4))
    bare = finished(1, received=Bytes(b"", 9, b"\1" * 32), sent=Bytes(), chunks=sizes)
    (row,) = store.append([bare])
    found = detail(store, row.id)
    assert found.received.prefix == b""
    assert [(chunk.size, chunk.data) for chunk in found.tape] == [(5, b""), (4, b"")]


def test_nothing_appended_leaves_no_file(store: DayFiles, tmp_path: Path) -> None:
    assert store.append([]) == []
    assert newest(store) == []
    assert not (tmp_path / "requests").exists()


def test_a_request_is_in_the_file_of_the_day_it_began(store: DayFiles, tmp_path: Path) -> None:
    midnight = NOON_US + DAY_US // 2
    late = progressed(1, started_us=midnight - 1)
    early = finished(2, started_us=midnight)
    assert [row.id for row in store.append([early, late])] == ["20260314-1", "20260315-2"]
    (done,) = store.append([finished(1, started_us=midnight - 1)])
    assert (done.id, done.outcome) == ("20260314-1", "ok")
    assert [row.id for row in newest(store)] == ["20260315-2", "20260314-1"]
    names = {path.name for path in (tmp_path / "requests").glob("*.sqlite3")}
    assert names == {"20260314.sqlite3", "20260315.sqlite3"}


def test_yesterdays_file_is_let_go_of_once_nothing_is_open_in_it(
    store: DayFiles, tmp_path: Path
) -> None:
    store.append([progressed(1)])
    wal = tmp_path / "requests" / "20260314.sqlite3-wal"
    store.append([finished(2, started_us=NOON_US + DAY_US)])
    assert wal.exists()
    store.append([finished(1)])
    assert not wal.exists()


def test_seq_rises_over_all_days_and_restarts(tmp_path: Path) -> None:
    with closing(DayFiles(tmp_path)) as first:
        first.append([finished(1), finished(2, started_us=NOON_US + DAY_US)])
        first.append([finished(3)])
    with closing(DayFiles(tmp_path)) as second:
        (row,) = second.append([finished(4, started_us=NOON_US + 2 * DAY_US)])
        assert row.id == "20260316-4"
        ids = [row.id for row in newest(second)]
    assert ids == ["20260316-4", "20260315-2", "20260314-3", "20260314-1"]


def test_rows_carry_their_node_and_their_files_stream(store: DayFiles, tmp_path: Path) -> None:
    store.append([finished(1), finished(2), finished(3, started_us=NOON_US + DAY_US)])
    found = []
    for path in sorted((tmp_path / "requests").glob("*.sqlite3")):
        with closing(sqlite3.connect(path)) as connection:
            found += connection.execute("SELECT node_id, stream_id, seq FROM requests").fetchall()
    assert [seq for _, _, seq in found] == [1, 2, 3]
    assert {node for node, _, _ in found} == {(tmp_path / "node_id").read_text().strip()}
    assert found[0][1] == found[1][1] != found[2][1]
    assert all(len(bytes.fromhex(stream)) == 16 for _, stream, _ in found)


def test_what_a_dead_process_left_open_is_lost(tmp_path: Path) -> None:
    with closing(DayFiles(tmp_path)) as first:
        first.append([progressed(1), finished(2), progressed(3, started_us=NOON_US + DAY_US)])
    with closing(DayFiles(tmp_path)) as second:
        assert second.mark_lost() == 2
        assert [(row.outcome, row.closed_by) for row in newest(second)] == [
            ("lost", None),
            ("ok", "client"),
            ("lost", None),
        ]
        assert second.mark_lost() == 0


def test_closing_leaves_one_file_a_day_with_everything_in_it(tmp_path: Path) -> None:
    store = DayFiles(tmp_path)
    store.append([progressed(1), finished(2, started_us=NOON_US + DAY_US)])
    store.close()
    names = {path.name for path in (tmp_path / "requests").iterdir()}
    assert names == {"20260314.sqlite3", "20260315.sqlite3"}


def test_closing_empties_the_write_ahead_log_also_beside_a_reader(
    store: DayFiles, tmp_path: Path
) -> None:
    store.append([finished(1)])
    path = tmp_path / "requests" / "20260314.sqlite3"
    with day_reader.reading(path) as connection:
        assert connection is not None
        assert connection.execute("SELECT count(*) FROM requests").fetchone() == (1,)
        store.close()
        assert Path(f"{path}-wal").stat().st_size == 0
        assert connection.execute("SELECT count(*) FROM requests").fetchone() == (1,)


def test_events_are_neither_changed_nor_kept(store: DayFiles) -> None:
    event = finished(1)
    same, references = replace(event), sys.getrefcount(event)
    store.append([event])
    assert event == same
    assert sys.getrefcount(event) == references
