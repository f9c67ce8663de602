"""Deleting what a search finds: counted first, confirmed by that number, then deleted bit by bit.

What goes is fixed when the counting begins: nothing that comes, or ends, later. Knows a store that
counts and deletes a bit at a time. Knows nothing of SQL, and of who watches.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from app.errors import AppError, Conflict, FieldError, Invalid, NotFound
from app.log_facts import LogStats
from app.search.line import format as line_of
from app.search.terms import Filter
from app.services.daemon import Daemon
from app.services.requests import newest_of
from app.store.requests import Chosen, RequestStore
from app.who import Act, Who

log = logging.getLogger("app.deletions")

#: Seconds that one step may look for requests, and how much of the time it took is left to others
#: after it: half of it all.
_STEP_S: Final = 0.1
_REST: Final = 1.0

#: Seconds until it is seen whether writing and serving still come first.
_BUSY_PAUSE_S: Final = 0.1

#: Deletions that are remembered; the oldest one that does nothing is forgotten beyond that.
_MOST: Final = 50

State = Literal["counting", "counted", "deleting", "done", "cancelled", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletion:
    """How far one is. `rows`, `servers` and the two moments: of what was counted so far, all of it
    from `counted` on. `at`: before which place it goes on. `by`: who asked for it."""

    id: str
    line: str
    chosen: Chosen
    by: Who
    state: State = "counting"
    rows: int = 0
    servers: Mapping[str, int]
    oldest_us: int | None = None
    newest_us: int | None = None
    at: str | None = None
    is_searched: bool = False  # to the end, while it is deleted
    deleted: int = 0
    days: frozenset[str] = frozenset()  # that have room to give back
    error: str | None = None

    @property
    def is_active(self) -> bool:
        """Whether there is something to do for it by itself."""
        return self.state in ("counting", "deleting") or bool(self.days)

    @property
    def is_begun(self) -> bool:
        """Whether anything was deleted, or was to be."""
        return self.state == "done" or self.deleted > 0


class Deletions(Daemon):
    """One thread does a bit for each of them in turn; what is not deleted at the end stays.

    Thread: `start` and `stop` as of `Daemon`; the rest any.
    """

    def __init__(
        self,
        store: RequestStore,
        recorder: Callable[[], LogStats],
        changed: Callable[[], None],
        note: Callable[[Act], None],
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """`changed` is told when requests were deleted; `note` keeps an act. `clock_us`:
        microseconds since 1970."""
        super().__init__("deletions")
        self._audit = note
        self._store = store
        self._recorder = recorder
        self._changed = changed
        self._clock_us = clock_us
        self._lock = threading.Condition()  # guards what is below
        self._known: dict[str, Deletion] = {}

    def _rouse(self) -> None:
        with self._lock:
            self._lock.notify()

    def plan(self, filter_: Filter, by: Who) -> Deletion:
        """Fix what would go, and begin to count it. Raises: Invalid `search_empty`."""
        if filter_ == Filter():
            detail = "Say what is to be deleted. A whole day goes by DELETE log/days/{day}."
            raise Invalid(FieldError("search_empty", detail, "q"))
        chosen = Chosen(filter_, newest_of(self._store), self._clock_us())
        made = Deletion(
            id=secrets.token_hex(8), line=line_of(filter_), chosen=chosen, by=by, servers={}
        )
        with self._lock:
            self._forget_one()
            self._known[made.id] = made
            self._lock.notify()
        return made

    def get(self, id_: str) -> Deletion:
        """Raises: NotFound `deletion_not_found`."""
        with self._lock:
            return self._get(id_)

    def confirm(self, id_: str, rows: int, by: Who) -> Deletion:
        """Delete what was counted, which must be so many requests.

        Raises: NotFound; Conflict `deletion_not_counted` while or after it is something else that
        it does; Invalid `wrong_count` on `rows`.
        """
        with self._lock:
            found = self._get(id_)
            if found.state != "counted":
                detail = f"What it would delete is to be confirmed once; now it is {found.state}."
                raise Conflict("deletion_not_counted", detail)
            if rows != found.rows:
                detail = f"It is {found.rows} requests that would go, not {rows}."
                raise Invalid(FieldError("wrong_count", detail, "rows"))
            facts = {"q": found.line, "rows": rows}
            self._audit(Act(by=by, what="requests.delete", target="log", before=facts))
            self._known[id_] = begun = replace(found, state="deleting", by=by, at=None)
            self._lock.notify()
        log.info("deleting %d requests, asked by %s: %r", rows, by, found.line)
        return begun

    def cancel(self, id_: str, by: Who) -> Deletion:
        """Count or delete no further; what is deleted is. Raises: NotFound."""
        with self._lock:
            found = self._get(id_)
            if found.state not in ("counting", "counted", "deleting"):
                return found
            if found.state == "deleting":
                facts = {"q": found.line, "rows": found.deleted}
                act = Act(by=by, what="requests.delete_cancel", target="log", after=facts)
                self._audit(act)
            self._known[id_] = ended = replace(found, state="cancelled")
        return ended

    def _get(self, id_: str) -> Deletion:
        found = self._known.get(id_)
        if found is None:
            detail = f"There is no deletion {id_!r}. They are forgotten at a restart."
            raise NotFound("deletion_not_found", detail)
        return found

    def _forget_one(self) -> None:
        if len(self._known) >= _MOST:
            idle = [d.id for d in self._known.values() if d.state != "deleting" and not d.days]
            for id_ in idle[:1]:
                del self._known[id_]

    def _run(self) -> None:
        while (known := self._next()) is not None:
            if self._is_busy():
                self._stop.wait(_BUSY_PAUSE_S)
                continue
            began = time.monotonic()
            self._note(known, self._stepped(known))
            self._stop.wait(_REST * (time.monotonic() - began))

    def _next(self) -> Deletion | None:
        """The one whose turn it is, once there is one; None at the end."""
        with self._lock:
            self._lock.wait_for(lambda: self._stop.is_set() or self._active() is not None)
            return None if self._stop.is_set() else self._active()

    def _active(self) -> Deletion | None:
        return next((one for one in self._known.values() if one.is_active), None)

    def _is_busy(self) -> bool:
        stats = self._recorder()
        # While the log cannot be written, it may be for want of the room that this makes.
        return stats.is_pressed and stats.state == "ok"

    def _note(self, before: Deletion, after: Deletion) -> None:
        """Keep what a step came to, and have the others their turn; a cancellation stays."""
        with self._lock:
            now = self._known.pop(before.id, None)
            if now is None:
                return  # forgotten
            if now.state == "cancelled" and after.state != "done":
                after = replace(after, state="cancelled")
            self._known[before.id] = after
        if not after.is_active and after.is_begun:
            self._tell(after)

    def _stepped(self, known: Deletion) -> Deletion:
        try:
            if known.state == "counting":
                return self._count(known)
            if known.state == "deleting" and not known.is_searched:
                return self._delete(known)
            return self._give_back(known)
        except Exception as error:  # a disk that fails: the others have their turn
            log.exception("counting or deleting requests failed: %r", known.line)
            why = f"{type(error).__name__}: {error}"
            return replace(known, state="failed", error=why, days=frozenset())

    def _count(self, known: Deletion) -> Deletion:
        part = self._store.tally(known.chosen, before=known.at, time_limit_s=_STEP_S)
        moments = (known.oldest_us, known.newest_us, part.oldest_us, part.newest_us)
        there = [moment for moment in moments if moment is not None]
        return replace(
            known,
            state="counted" if part.next is None else "counting",
            rows=known.rows + part.rows,
            servers=Counter(known.servers) + Counter(part.servers),
            oldest_us=min(there, default=None),
            newest_us=max(there, default=None),
            at=part.next,
        )

    def _delete(self, known: Deletion) -> Deletion:
        gone = self._store.delete(known.chosen, before=known.at, time_limit_s=_STEP_S)
        return replace(
            known,
            deleted=known.deleted + gone.rows,
            at=gone.next,
            is_searched=gone.next is None,
            days=known.days.union(gone.days),
        )

    def _give_back(self, known: Deletion) -> Deletion:
        day = min(known.days, default=None)
        if day is not None and self._store.give_back(day):
            return known
        left = known.days - {day}
        done = known.state == "deleting" and not left
        return replace(known, days=left, state="done" if done else known.state)

    def _tell(self, ended: Deletion) -> None:
        what = f"{ended.deleted} of {ended.rows}"
        words = (ended.state, what, ended.by, ended.line)
        log.info("deleting requests %s: %s went, asked by %s: %r", *words)
        facts = {"q": ended.line, "rows": ended.deleted, "state": ended.state}
        try:
            self._audit(Act(by=ended.by, what="requests.delete_end", target="log", after=facts))
        except AppError as error:  # a full disk: that it was begun is in the audit
            log.error("that it ended is not in the audit: %s", error)
        self._changed()
