"""Exports that somebody follows: how far each is, and stopping one.

Counts requests as they pass. Knows nothing of files and formats, nor of who is sent them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeVar

from app.domain import Count, RequestDetail
from app.errors import Conflict, NotFound, TooMany
from app.log_facts import Gap, place_key
from app.who import Who

T = TypeVar("T")

#: Exports that are remembered; the oldest one that is over is forgotten beyond that.
_MOST: Final = 50

#: Exports at one time: each reads the log, and holds a snapshot of it, until it is taken.
AT_ONCE: Final = 4

#: Seconds after which to ask again then.
_COME_AGAIN_S: Final = 5

#: Seconds of work at one go, how many times as long is rested then, and at most.
_WORK_S: Final = 0.0005
_REST: Final = 3.0
_REST_S: Final = 0.01

#: Seconds after the latest request for which servers count as at work.
_BUSY_S: Final = 1.0


def resting(
    rows: Iterator[T], received: Callable[[], int], sleep: Callable[[float], None] = time.sleep
) -> Iterator[T]:
    """The same rows, read and made into text a bit at a time while servers are at work: a request
    needs the interpreter lock several times, and would wait for it each time.

    `received`: how many requests came so far. Thread: one at a time.
    """
    began = busy = time.perf_counter()
    before = received()
    for row in rows:
        yield row
        now = time.perf_counter()
        if now - began < _WORK_S:
            continue
        if (count := received()) != before:
            busy, before = now, count
        if now - busy < _BUSY_S:
            sleep(min(_REST * (now - began), _REST_S))
        began = time.perf_counter()


class Cancelled(Exception):
    """Somebody stopped it: what was sent so far is no whole file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportProgress:
    """`by`: whose it is. `about`: how many requests there may be in all; None where there is no
    telling. `exact`: whether it is just so many. `broken`: whoever was sent it went away."""

    by: Who
    rows: int = 0
    about: int | None = None
    exact: bool = False
    state: Literal["running", "done", "cancelled", "broken"] = "running"


class Exports:
    """Thread: any."""

    def __init__(self, bounds: Callable[[], tuple[str, str]]) -> None:
        """`bounds`: the places of the oldest and of the newest request in the log."""
        self._bounds = bounds
        self._lock = threading.Lock()  # guards what follows
        self._known: dict[str, ExportProgress] = {}
        self._under_way = 0

    @contextmanager
    def place(self) -> Iterator[None]:
        """One of the places for an export, while it lasts. Raises: TooMany `too_many_exports`."""
        with self._lock:
            if self._under_way >= AT_ONCE:
                detail = f"{AT_ONCE} exports are under way. Wait until one is done, or stop one."
                raise TooMany("too_many_exports", detail, _COME_AGAIN_S)
            self._under_way += 1
        try:
            yield
        finally:
            with self._lock:
                self._under_way -= 1

    def follow(
        self, id_: str, rows: Iterator[RequestDetail | Gap], count: Count, by: Who
    ) -> Iterator[RequestDetail | Gap]:
        """The same requests, newest first, counted as they are taken under a name of the caller's.

        `count`: as far as they were counted. Raises: Conflict `export_exists`; Cancelled, while
        they are taken.
        """
        about = count.rows if count.exact else None
        with self._lock:
            if id_ in self._known:
                raise Conflict("export_exists", f"There is an export {id_!r} already.")
            self._forget_one()
            self._known[id_] = ExportProgress(by=by, about=about, exact=count.exact)
        return self._followed(id_, rows, None if count.exact else _Span(*self._bounds()))

    def get(self, id_: str, by: Who) -> ExportProgress:
        """Raises: NotFound `export_not_found`, also for one of somebody else."""
        with self._lock:
            return self._get(id_, by)

    def cancel(self, id_: str, by: Who) -> ExportProgress:
        """Raises: NotFound `export_not_found`, also for one of somebody else."""
        with self._lock:
            found = self._get(id_, by)
            if found.state == "running":
                self._known[id_] = found = replace(found, state="cancelled")
            return found

    def _get(self, id_: str, by: Who) -> ExportProgress:
        found = self._known.get(id_)
        if found is None or not (by.is_same(found.by) or by.may_all("administer")):
            raise NotFound("export_not_found", f"There is no export {id_!r} that is followed.")
        return found

    def _followed(
        self, id_: str, rows: Iterator[RequestDetail | Gap], span: _Span | None
    ) -> Iterator[RequestDetail | Gap]:
        ended: Literal["done", "broken"] = "broken"
        try:
            for row in rows:
                if not isinstance(row, Gap):
                    self._passed(id_, row, span)
                yield row
            ended = "done"
        finally:
            self._end(id_, ended)

    def _passed(self, id_: str, row: RequestDetail, span: _Span | None) -> None:
        with self._lock:
            now = self._known[id_]
            if now.state == "cancelled":
                raise Cancelled
            rows = now.rows + 1
            about = now.about if span is None else span.about(rows, row.summary.id)
            self._known[id_] = replace(now, rows=rows, about=about)

    def _end(self, id_: str, state: Literal["done", "broken"]) -> None:
        with self._lock:
            now = self._known[id_]
            if now.state == "cancelled":
                return
            about = now.rows if state == "done" else now.about
            self._known[id_] = replace(now, state=state, about=about, exact=state == "done")

    def _forget_one(self) -> None:
        if len(self._known) >= _MOST:
            over = [id_ for id_, one in self._known.items() if one.state != "running"]
            for id_ in over[:1]:
                del self._known[id_]


class _Span:
    """From the newest to the oldest place of the log: how much of it is behind a request."""

    def __init__(self, oldest: str, newest: str) -> None:
        self._newest = place_key(newest)[1]
        self._all = max(1, self._newest - place_key(oldest)[1] + 1)

    def about(self, rows: int, place: str) -> int:
        """How many there may be, if the rest of the log is like the part that was read."""
        read = max(1, self._newest - place_key(place)[1] + 1)
        return max(rows, rows * self._all // read)
