"""The request log as SQLite files, one for each UTC day by the request's start.

Retention is then deleting a file, and a full disk can be freed. Knows which file a request is in
and which seq comes next; a file's connections are `day_writer.py` and `day_reader.py`.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Final

from app.domain import Count, Page, RequestDetail, RequestSummary, StoreStats
from app.errors import Unavailable
from app.search.terms import Filter
from app.store import day_reader, day_schema, day_walk
from app.store.day_places import END, Place, known_place, place_of
from app.store.day_schema import Values
from app.store.day_search import condition
from app.store.day_writer import DayWriter, upgrade
from app.store.log_index import LogIndex
from app.store.node import node_id
from app.store.requests import EVERYTHING, RequestEvent, RequestKey, key_of
from sockcore.events import RequestFinished, RequestProgressed

log = logging.getLogger("app.store")

#: Seconds that `close` waits for a write to end: a supervisor's patience is ~10 in all.
CLOSE_WAIT_S: Final = 1.0

#: Details that are read at once: with 64 KiB each way, 8 MiB; and seconds that one look for them
#: may take, the longest that a reader stays at a file.
DETAILS_AT_ONCE: Final = 64
DETAILS_S: Final = 1.0

DAY_US: Final = 86_400_000_000
_EPOCH: Final = date(1970, 1, 1).toordinal()
_DAY: Final = re.compile(r"[0-9]{8}")

_Keyed = tuple[RequestKey, RequestEvent]
_Row = tuple[int, RequestSummary]


class DayFiles:
    """The `RequestStore` in `<data_dir>/requests/YYYYMMDD.sqlite3`; an id is `YYYYMMDD-<seq>`."""

    def __init__(self, data_dir: Path) -> None:
        """Find what is there, and bring files of older versions to this one's.

        Raises: Unavailable, `request_log_*` or `node_id_malformed`, naming the file; OSError.
        """
        self._directory = data_dir / "requests"
        self._index = LogIndex(self._files)
        self._node_id = node_id(data_dir)
        self._writing = threading.Lock()  # guards everything below; readers use none of it
        self._writers: dict[str, DayWriter] = {}
        self._open: dict[RequestKey, tuple[str, int]] = {}  # day and seq of the rows still open
        self._landed: dict[RequestKey, tuple[RequestEvent, _Row]] = {}  # of a batch that failed
        self._next_seq = 1 + max(map(self._found, self._days()), default=0)

    def append(self, batch: Sequence[RequestEvent]) -> list[RequestSummary]:
        """One transaction for each day that `batch` touches; see `RequestStore`."""
        rows: list[_Row] = []
        by_day: defaultdict[str, list[_Keyed]] = defaultdict(list)
        with self._writing:
            for key, event in _latest(batch).items():
                landed = self._landed.get(key)
                if landed and landed[0] is event:
                    rows.append(landed[1])
                else:
                    by_day[_day_name(event.started_us // DAY_US)].append((key, event))
            for day in sorted(by_day):
                rows += self._append_day(day, by_day[day])
            self._close_idle_writers()
            self._landed.clear()
        rows.sort(key=_seq)
        return [summary for _, summary in rows]

    def mark_lost(self) -> int:
        """See `RequestStore`."""
        lost = 0
        with self._writing:
            for day in self._days():
                if day_reader.has_open_rows(self._path(day)):
                    lost += self._writer(day).mark_lost()
            self._close_idle_writers()
        return lost

    def query(
        self,
        filter_: Filter = EVERYTHING,
        *,
        limit: int,
        before: str | None = None,
        after: str | None = None,
        time_limit_s: float = 1.0,
        now_us: int | None = None,
    ) -> Page[RequestSummary]:
        """See `RequestStore`. Thread: any."""
        wanted = condition(filter_, _now_us() if now_us is None else now_us)
        files = self._files()
        if after is not None:
            place = place_of(after, "after")
            return day_walk.newer_page(
                day_walk.newer(files, wanted, place, limit + 1, time_limit_s), limit
            )
        place = END if before is None else place_of(before, "before")
        found = day_walk.older(files, wanted, place, limit + 1, time_limit_s, day_walk.SUMMARIES)
        return day_walk.older_page(found, limit)

    def details(
        self, filter_: Filter = EVERYTHING, *, now_us: int | None = None
    ) -> Iterator[RequestDetail]:
        """See `RequestStore`. Thread: any, one at a time."""
        wanted = condition(filter_, _now_us() if now_us is None else now_us)
        place: Place | None = END
        while place is not None:
            # A connection for each few rows, so that none holds up the write-ahead log for long.
            found = day_walk.older(
                self._files(), wanted, place, DETAILS_AT_ONCE, DETAILS_S, day_walk.DETAILS
            )
            yield from found.rows
            place = found.stopped
            if place is None and len(found.rows) == DETAILS_AT_ONCE:
                place = known_place(found.rows[-1].summary.id)

    def count(
        self, filter_: Filter, *, most: int, time_limit_s: float = 0.5, now_us: int | None = None
    ) -> Count:
        """See `RequestStore`. Thread: any."""
        wanted = condition(filter_, _now_us() if now_us is None else now_us)
        found = day_walk.count(self._files(), wanted, most + 1, time_limit_s)
        return Count(min(found.count, most), found.count <= most and found.stopped is None)

    def get(self, request_id: str) -> RequestDetail | None:
        """See `RequestStore`. Thread: any."""
        place = known_place(request_id)
        if place is None or not self._path(place.day).exists():
            return None
        return day_reader.detail(self._path(place.day), place.seq)

    def stats(self) -> StoreStats:
        """See `RequestStore`. Thread: any."""
        files = self._files()
        bounds = [found for path in files[:1] + files[-1:] if (found := day_reader.bounds(path))]
        return StoreStats(
            durable_seq=self._next_seq - 1,
            oldest_us=min((first for first, _ in bounds), default=None),
            newest_us=max((last for _, last in bounds), default=None),
            bytes=sum(map(_size, self._directory.glob("*"))),
            index_lag_rows=self._index.lag_rows(),
        )

    def build_index(self) -> int:
        """See `RequestStore`."""
        return self._index.build()

    def close(self) -> None:
        """Checkpoint and close every file; see `RequestStore`.

        While an `append` hangs, in a disk that does not answer, the files stay as they are:
        what is committed is safe, and the process must be able to end.
        """
        if not self._writing.acquire(timeout=CLOSE_WAIT_S):
            log.error("a write to %s does not end; its files are left open", self._directory)
            return
        try:
            self._index.close()
            with ExitStack() as closing:
                while self._writers:
                    closing.callback(self._writers.popitem()[1].close)
        finally:
            self._writing.release()

    def _append_day(self, day: str, events: list[_Keyed]) -> list[_Row]:
        """Commit `events` to one file; all of them or, with an exception, none."""
        inserts: list[Values] = []
        updates: list[Values] = []
        facts: list[Values] = []
        next_seq = self._next_seq
        places: list[tuple[int, _Keyed]] = []
        for keyed in events:
            key, event = keyed
            if known := self._open.get(key):
                seq = known[1]
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
        try:
            self._writer(day).write(*parameters)
        except sqlite3.Error:
            # After a failed write or fsync a connection is not to be trusted: begin anew.
            if failed := self._writers.pop(day, None):
                failed.abandon()
            raise

    def _committed(self, day: str, seq: int, keyed: _Keyed) -> _Row:
        key, event = keyed
        if isinstance(event, RequestFinished):
            self._open.pop(key, None)
        else:
            self._open[key] = (day, seq)
        row = (seq, day_schema.summary_of_event(event, day, seq))
        self._landed[key] = (event, row)
        return row

    def _writer(self, day: str) -> DayWriter:
        writer = self._writers.get(day)
        if writer is None:
            writer = self._writers[day] = DayWriter(self._path(day), self._node_id)
        return writer

    def _close_idle_writers(self) -> None:
        """Keep the newest day's file open, and those with rows to be completed."""
        if len(self._writers) > 1:
            needed = {day for day, _ in self._open.values()} | {max(self._writers)}
            for day in self._writers.keys() - needed:
                self._writers.pop(day).close()

    def _days(self) -> list[str]:
        """The days that have a file, newest first; the directory is asked each time."""
        found = (path.stem for path in self._directory.glob("*.sqlite3"))
        return sorted((day for day in found if _DAY.fullmatch(day)), reverse=True)

    def _files(self) -> list[Path]:
        return [self._path(day) for day in self._days()]

    def _found(self, day: str) -> int:
        """Returns: the last seq of a file that is there at the start."""
        try:
            upgrade(self._path(day))
            return day_reader.last_seq(self._path(day))
        except sqlite3.Error as error:
            raise Unavailable(
                "request_log_unreadable",
                f"{self._path(day)} cannot be read: {error}. Restore it from a back-up or move "
                "it away; the other days are not touched.",
            ) from error

    def _path(self, day: str) -> Path:
        return self._directory / f"{day}.sqlite3"


def _latest(batch: Sequence[RequestEvent]) -> dict[RequestKey, RequestEvent]:
    """The event that counts for each request, in the order the requests were first seen."""
    latest: dict[RequestKey, RequestEvent] = {}
    for event in batch:
        key = key_of(event)
        if isinstance(event, RequestProgressed) and isinstance(latest.get(key), RequestFinished):
            continue  # the ticker was overtaken by the end
        latest[key] = event
    return latest


def _seq(row: _Row) -> int:
    return row[0]


@lru_cache(maxsize=8)
def _day_name(days: int) -> str:
    """`YYYYMMDD` of the day so many days after 1970-01-01."""
    return date.fromordinal(_EPOCH + days).strftime("%Y%m%d")


def _now_us() -> int:
    return time.time_ns() // 1000


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # a log of SQLite's that went meanwhile
        return 0
