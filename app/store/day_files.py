"""The request log as SQLite files, one for each UTC day by the request's start.

Retention is then deleting a file, and a full disk can be freed. Knows which file a request is in
and which seq comes next; the connections are those of `day_writers.py` and `day_reader.py`.
"""

from __future__ import annotations

import logging
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Final

from app.domain import DamagedFile, RequestSummary, StoreStats
from app.errors import Unavailable
from app.log_facts import Gap
from app.store import day_reader, day_schema
from app.store.committed import Committed, CommittedRow
from app.store.day_batch import day_of, latest
from app.store.day_damage import DamagedDay, noting_damage
from app.store.day_folder import DayFolder
from app.store.day_removal import DayRemoval
from app.store.day_schema import Values
from app.store.day_writer import upgrade
from app.store.node import node_id
from app.store.requests import RequestEvent, RequestKey

log = logging.getLogger("app.store")

#: Seconds that `close` waits for a write to end: a supervisor's patience is ~10 in all.
CLOSE_WAIT_S: Final = 1.0

_Keyed = tuple[RequestKey, RequestEvent]

_tuple = tuple.__new__  # a NamedTuple's own is four times as dear


class DayFiles(DayRemoval):
    """The `RequestStore` in `<data_dir>/requests/YYYYMMDD.sqlite3`; an id is `YYYYMMDD-<seq>`."""

    def __init__(self, data_dir: Path) -> None:
        """Find what is there, and bring files of older versions to this one's.

        Raises: Unavailable, `request_log_*` or `node_id_malformed`, naming the file; OSError.
        """
        folder = DayFolder(data_dir / "requests")
        folder.sweep()
        super().__init__(folder, node_id(data_dir))
        self._landed: dict[RequestKey, CommittedRow] = {}  # of a batch that failed
        self._next_seq = 1 + max(map(self._found, self._folder.days()), default=0)

    def append(self, batch: Sequence[RequestEvent]) -> Sequence[RequestSummary]:
        """One transaction for each day that `batch` touches; see `RequestStore`."""
        rows: list[CommittedRow] = []
        by_day: defaultdict[str, list[_Keyed]] = defaultdict(list)
        with self._writing:
            events = latest(batch)
            for key, event in events.items():
                landed = self._landed.get(key)
                if landed and landed.event is event:
                    rows.append(landed)
                elif not self._open.is_gone(key):
                    by_day[day_of(event.started_us)].append((key, event))
            for day in sorted(by_day):
                rows += self._append_day(day, by_day[day])
            self._writers.close_idle(self._open.days())
            self._landed.clear()
            self._open.settle(events.items())
        rows.sort(key=attrgetter("seq"))
        return Committed(rows)

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
            self._writers.close_idle(self._open.days())
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

    def note(self, gap: Gap) -> Gap:
        """See `RequestStore`: it is put into the newest file, after all that is there."""
        with self._writing:
            while True:
                day = next(iter(self._folder.days()), day_of(gap.ended_us))
                noted = replace(gap, after=f"{day}-{self._next_seq - 1}")
                try:
                    with self._trusted(day) as writer:
                        writer.note(day_schema.gap_values(noted, self._next_seq - 1))
                    return noted
                except DamagedDay as damaged:
                    self._set_aside_locked(damaged)

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
            self._writers.close()
        finally:
            self._writing.release()

    def damaged(self) -> list[DamagedFile]:
        """See `RequestStore`. Thread: any."""
        return self._damaged.all()

    def acknowledge(self, name: str) -> bool:
        """See `RequestStore`. Thread: any."""
        return self._damaged.acknowledge(name)

    def _append_day(self, day: str, events: list[_Keyed]) -> list[CommittedRow]:
        try:
            return self._commit_day(day, events)
        except DamagedDay as damaged:
            self._set_aside_locked(damaged)
            return self._commit_day(day, events)

    def _commit_day(self, day: str, events: list[_Keyed]) -> list[CommittedRow]:
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

    def _committed(self, day: str, seq: int, keyed: _Keyed) -> CommittedRow:
        key, event = keyed
        self._open.note(key, event, day, seq)
        row = self._landed[key] = _tuple(CommittedRow, (seq, day, event))
        return row

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
                f"{path} cannot be read: {error}. Restore it from a backup or move "
                "it away; the other days are not touched.",
            ) from error


def _bounds(path: Path) -> tuple[int, int] | None:
    with day_reader.unless_dropped(path):
        return day_reader.bounds(path)
    return None
