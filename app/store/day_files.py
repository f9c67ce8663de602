"""The request log as SQLite files, one for each UTC day by the request's start.

Retention is then deleting a file, and a full disk can be freed. Knows which file a request is in
and which seq comes next; a file's connections are `day_writer.py` and `day_reader.py`.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final

from app.domain import DamagedFile, RequestSummary, StoreStats
from app.errors import Unavailable
from app.store import day_reader, day_schema
from app.store.damaged_days import DamagedDays
from app.store.day_damage import DamagedDay, inode_of, noting_damage
from app.store.day_folder import DayFolder, size
from app.store.day_index import index_path
from app.store.day_pages import DayPages
from app.store.day_places import Place
from app.store.day_schema import Values
from app.store.day_writer import DayWriter, upgrade
from app.store.log_index import LogIndex
from app.store.node import node_id
from app.store.open_rows import OpenRows
from app.store.requests import RequestEvent, RequestKey, key_of
from sockcore.events import RequestFinished, RequestProgressed

log = logging.getLogger("app.store")

#: Seconds that `close` waits for a write to end: a supervisor's patience is ~10 in all.
CLOSE_WAIT_S: Final = 1.0

DAY_US: Final = 86_400_000_000
_EPOCH: Final = date(1970, 1, 1).toordinal()

_Keyed = tuple[RequestKey, RequestEvent]
_Row = tuple[int, RequestSummary]


class DayFiles(DayPages):
    """The `RequestStore` in `<data_dir>/requests/YYYYMMDD.sqlite3`; an id is `YYYYMMDD-<seq>`."""

    def __init__(self, data_dir: Path) -> None:
        """Find what is there, and bring files of older versions to this one's.

        Raises: Unavailable, `request_log_*` or `node_id_malformed`, naming the file; OSError.
        """
        super().__init__(DayFolder(data_dir / "requests"))
        self._folder.sweep()
        self._damaged = DamagedDays(self._folder)
        self._index = LogIndex(self._folder.files)
        self._node_id = node_id(data_dir)
        self._writing = threading.Lock()  # guards everything below; readers use none of it
        self._writers: dict[str, DayWriter] = {}
        self._open = OpenRows()
        self._landed: dict[RequestKey, tuple[RequestEvent, _Row]] = {}  # of a batch that failed
        self._next_seq = 1 + max(map(self._found, self._folder.days()), default=0)

    def append(self, batch: Sequence[RequestEvent]) -> list[RequestSummary]:
        """One transaction for each day that `batch` touches; see `RequestStore`."""
        rows: list[_Row] = []
        by_day: defaultdict[str, list[_Keyed]] = defaultdict(list)
        with self._writing:
            latest = _latest(batch)
            for key, event in latest.items():
                landed = self._landed.get(key)
                if landed and landed[0] is event:
                    rows.append(landed[1])
                elif not self._open.is_gone(key):
                    by_day[_day_name(event.started_us // DAY_US)].append((key, event))
            for day in sorted(by_day):
                rows += self._append_day(day, by_day[day])
            self._close_idle_writers()
            self._landed.clear()
            self._open.settle(latest.items())
        rows.sort(key=_seq)
        return [summary for _, summary in rows]

    def mark_lost(self) -> int:
        """See `RequestStore`."""
        lost = 0
        with self._writing:
            for day in self._folder.days():
                try:
                    if day_reader.has_open_rows(self._folder.file(day)):
                        with self._trusted(day) as writer:
                            lost += writer.mark_lost()
                except DamagedDay as damaged:
                    self._set_aside_locked(damaged)
            self._close_idle_writers()
        return lost

    def stats(self) -> StoreStats:
        """See `RequestStore`. Thread: any."""
        return self._mended(self._stats)

    def _stats(self, files: Sequence[Path]) -> StoreStats:
        bounds = [found for path in (*files[:1], *files[-1:]) if (found := _bounds(path))]
        return StoreStats(
            durable_seq=self._next_seq - 1,
            oldest_us=min((first for first, _ in bounds), default=None),
            newest_us=max((last for _, last in bounds), default=None),
            bytes=self._folder.bytes(),
            index_lag_rows=self._index.lag_rows(),
        )

    def build_index(self) -> int:
        """See `RequestStore`."""
        return self._mended(lambda _: self._index.build())

    def drop(self, day: str) -> bool:
        """See `RequestStore`."""
        if day not in self._folder.days():
            return False
        with self._writing, self._index.letting_go(self._folder.file(day)):
            if writer := self._writers.pop(day, None):
                writer.abandon()
            self._folder.remove(day)
            self._open.drop(day)
        return True

    def trim(self, day: str, most_bytes: int) -> bool:
        """See `RequestStore`."""
        path = self._folder.file(day)
        with self._writing:
            if not path.exists():
                return False
            try:
                with self._trusted(day) as writer:
                    over = writer.used_bytes() + size(index_path(path)) - most_bytes
                    last = writer.trim(over) if over > 0 else None
                    if last is None:
                        return writer.shrink()
            except DamagedDay as damaged:
                self._set_aside_locked(damaged)
                return False
            self._open.drop(day, last)
        self._index.forget(path, last)
        return True

    def close(self) -> None:
        """Checkpoint and close every file; see `RequestStore`.

        While an `append` hangs, in a disk that does not answer, the files stay as they are:
        what is committed is safe, and the process must be able to end.
        """
        if not self._writing.acquire(timeout=CLOSE_WAIT_S):
            log.error("a write to %s does not end; its files are left open", self._folder.path)
            return
        try:
            self._index.close()
            with ExitStack() as closing:
                while self._writers:
                    closing.callback(self._writers.popitem()[1].close)
        finally:
            self._writing.release()

    def damaged(self) -> list[DamagedFile]:
        """See `RequestStore`. Thread: any."""
        return self._damaged.all()

    def acknowledge(self, name: str) -> bool:
        """See `RequestStore`. Thread: any."""
        return self._damaged.acknowledge(name)

    def _set_aside(self, damaged: DamagedDay) -> None:
        with self._writing:
            self._set_aside_locked(damaged)

    def _set_aside_locked(self, damaged: DamagedDay) -> None:
        """What was open in it is a new row when it is heard of again."""
        day = damaged.path.stem
        with self._index.letting_go(damaged.path):
            if damaged.inode is None or inode_of(damaged.path) != damaged.inode:
                return  # somebody else came first
            if writer := self._writers.pop(day, None):
                writer.abandon()
            place = self._damaged.take(day)
            self._open.lose(day)
        log.error("%s; moved to %s, the log goes on without it", damaged, place)

    def _append_day(self, day: str, events: list[_Keyed]) -> list[_Row]:
        try:
            return self._commit_day(day, events)
        except DamagedDay as damaged:
            self._set_aside_locked(damaged)
            return self._commit_day(day, events)

    def _commit_day(self, day: str, events: list[_Keyed]) -> list[_Row]:
        """Commit `events` to one file; all of them or, with an exception, none."""
        inserts: list[Values] = []
        updates: list[Values] = []
        facts: list[Values] = []
        next_seq = self._next_seq
        places: list[tuple[int, _Keyed]] = []
        for keyed in events:
            key, event = keyed
            if known := self._open.place(key):
                seq = known.seq
                values = day_schema.update_values(event, seq)
                (updates if day_schema.has_payload(event) else facts).append(values)
            else:
                seq, next_seq = next_seq, next_seq + 1
                inserts.append(day_schema.insert_values(event, seq))
            places.append((seq, keyed))
        self._write(day, inserts, updates, facts)
        self._next_seq = next_seq
        return [self._committed(day, seq, keyed) for seq, keyed in places]

    def _write(self, day: str, *parameters: list[Values]) -> None:
        with self._trusted(day) as writer:
            writer.write(*parameters)

    @contextmanager
    def _trusted(self, day: str) -> Iterator[DayWriter]:
        """After a failed write or fsync a connection is not to be trusted: begin anew."""
        try:
            with noting_damage(self._folder.file(day)):
                yield self._writer(day)
        except sqlite3.Error:
            if failed := self._writers.pop(day, None):
                failed.abandon()
            raise

    def _committed(self, day: str, seq: int, keyed: _Keyed) -> _Row:
        key, event = keyed
        self._open.note(key, event, Place(day, seq))
        row = (seq, day_schema.summary_of_event(event, day, seq))
        self._landed[key] = (event, row)
        return row

    def _writer(self, day: str) -> DayWriter:
        writer = self._writers.get(day)
        if writer is None:
            writer = self._writers[day] = DayWriter(self._folder.file(day), self._node_id)
        return writer

    def _close_idle_writers(self) -> None:
        """Keep the newest day's file open, and those with rows to be completed."""
        if len(self._writers) > 1:
            needed = self._open.days() | {max(self._writers)}
            for day in self._writers.keys() - needed:
                self._writers.pop(day).close()

    def _found(self, day: str) -> int:
        """Returns: the last seq of a file that is there at the start; 0 of a damaged one, whose
        seqs may come again, then in another stream."""
        path = self._folder.file(day)
        try:
            with noting_damage(path):
                upgrade(path)
                return day_reader.last_seq(path)
        except DamagedDay as damaged:
            self._set_aside_locked(damaged)
            return 0
        except sqlite3.Error as error:
            raise Unavailable(
                "request_log_unreadable",
                f"{path} cannot be read: {error}. Restore it from a back-up or move "
                "it away; the other days are not touched.",
            ) from error


def _latest(batch: Sequence[RequestEvent]) -> dict[RequestKey, RequestEvent]:
    """The event that counts for each request, in the order the requests were first seen."""
    latest: dict[RequestKey, RequestEvent] = {}
    for event in batch:
        key = key_of(event)
        if isinstance(event, RequestProgressed) and isinstance(latest.get(key), RequestFinished):
            continue  # the ticker was overtaken by the end
        latest[key] = event
    return latest


def _bounds(path: Path) -> tuple[int, int] | None:
    with day_reader.unless_dropped(path):
        return day_reader.bounds(path)
    return None


def _seq(row: _Row) -> int:
    return row[0]


@lru_cache(maxsize=8)
def _day_name(days: int) -> str:
    """`YYYYMMDD` of the day so many days after 1970-01-01."""
    return date.fromordinal(_EPOCH + days).strftime("%Y%m%d")
