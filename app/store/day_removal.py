"""The half of the request log that deletes: days, the oldest rows of one, and what is chosen.

Knows the locks: of the one that writes first, then of the index. Knows nothing of events.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from app.store import day_chosen
from app.store.damaged_days import DamagedDays
from app.store.day_damage import DamagedDay, inode_of
from app.store.day_folder import DayFolder, size
from app.store.day_index import index_path
from app.store.day_pages import DayPages
from app.store.day_places import END, cursor, place_of
from app.store.day_writer import DayWriter
from app.store.day_writers import DayWriters
from app.store.log_index import LogIndex
from app.store.open_rows import OpenRows
from app.store.requests import Chosen, Deleted

log = logging.getLogger("app.store")

T = TypeVar("T")


class DayRemoval(DayPages):
    """What `RequestStore` says of deleting. Thread: any."""

    def __init__(self, folder: DayFolder, node_id: str) -> None:
        super().__init__(folder)
        self._damaged = DamagedDays(folder)
        self._index = LogIndex(folder.files)
        self._writing = threading.Lock()  # guards everything below; readers use none of it
        self._writers = DayWriters(folder, node_id)
        self._open = OpenRows()
        self._next_seq = 1

    def drop(self, day: str) -> bool:
        """See `RequestStore`."""
        if day not in self._folder.days():
            return False
        with self._writing:
            self._drop_locked(day)
        return True

    def _drop_locked(self, day: str) -> None:
        with self._index.letting_go(self._folder.file(day)):
            self._writers.forget(day)
            self._folder.remove(day)
            self._open.drop(day)

    def trim(self, day: str, most_bytes: int) -> bool:
        """See `RequestStore`."""
        path = self._folder.file(day)

        def step(writer: DayWriter) -> tuple[int | None, bool]:
            over = writer.used_bytes() + size(index_path(path)) - most_bytes
            last = writer.trim(over) if over > 0 else None
            if last is None:
                return None, writer.shrink()
            self._open.drop(day, last)
            return last, True

        last, more = self._changed(day, step) or (None, False)
        if last is not None:
            self._index.forget(path, last)
        return more

    def delete(
        self, chosen: Chosen, *, before: str | None = None, time_limit_s: float = 0.2
    ) -> Deleted:
        """See `RequestStore`."""
        place = END if before is None else place_of(before, "before")
        # They are over, so that nothing changes in them until they are deleted.
        seqs, stopped = self._mended(day_chosen.some, chosen, place, time_limit_s)
        rows = sum(self._delete(day, seqs[day]) for day in seqs)
        return Deleted(rows, tuple(seqs), cursor(stopped))

    def _delete(self, day: str, seqs: list[int]) -> int:
        deleted = self._changed(day, lambda writer: writer.delete(seqs))
        if deleted:
            self._index.thin(self._folder.file(day), seqs)
        return deleted or 0

    def give_back(self, day: str) -> bool:
        """See `RequestStore`."""

        def step(writer: DayWriter) -> bool:
            if writer.is_empty():
                self._drop_locked(day)
                return False
            return writer.shrink()

        return self._changed(day, step) or False

    def _changed(self, day: str, step: Callable[[DayWriter], T]) -> T | None:
        """What `step` makes of a day that is there, while nobody else writes; None if it is not,
        or is damaged."""
        with self._writing:
            if not self._folder.file(day).exists():
                return None
            try:
                with self._trusted(day) as writer:
                    return step(writer)
            except DamagedDay as damaged:
                self._set_aside_locked(damaged)
                return None

    def _trusted(self, day: str) -> AbstractContextManager[DayWriter]:
        return self._writers.trusted(day, self._next_seq - 1)

    def _set_aside(self, damaged: DamagedDay) -> None:
        with self._writing:
            self._set_aside_locked(damaged)

    def _set_aside_locked(self, damaged: DamagedDay) -> None:
        """What was open in it is a new row when it is heard of again."""
        day = damaged.path.stem
        with self._index.letting_go(damaged.path):
            if damaged.inode is None or inode_of(damaged.path) != damaged.inode:
                return  # somebody else came first
            self._writers.forget(day)
            place = self._damaged.take(day)
            self._open.lose(day)
        log.error("%s; moved to %s, the log goes on without it", damaged, place)
