"""How much of the log is kept: the rules, what is held by them, and the thread that holds to them.

Knows days, their ages and sizes. Knows nothing of files and of SQL.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from app.domain import HeldDay, RetentionRules
from app.errors import NotFound
from app.services.daemon import Daemon
from app.services.fields import FieldReader
from app.store.requests import RequestStore
from app.store.retention import RetentionTable
from app.who import SOCKPIT, Act, Who

log = logging.getLogger("app.retention")

#: Seconds between two looks at what is held.
_LOOK_S: Final = 60.0

#: A limit under this would be spent on the files themselves.
LEAST_BYTES: Final = 64 * 1024**2
_MOST_BYTES: Final = 1024**5
_MOST_DAYS: Final = 36_500

#: From so many days on a limit is reached "not soon".
_SOON_DAYS: Final = 365

_DAY_S: Final = 86_400


class DayRows(NamedTuple):
    """A day of the log with what it takes and how many requests it has."""

    day: str  # YYYYMMDD
    bytes: int
    rows: int


@dataclass(frozen=True, slots=True)
class Kept:
    """What is held at one moment. `bytes_per_day`: what came in the last 24 h. `days_left`: until
    `max_bytes` at that rate; None: not soon, or never."""

    rules: RetentionRules
    bytes: int
    oldest_us: int | None
    bytes_per_day: int
    days_left: float | None


class Retention(Daemon):
    """Thread: `start` and `stop` as of `Daemon`; the rest any."""

    def __init__(
        self,
        rules: RetentionTable,
        store: RequestStore,
        note: Callable[[Act], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`note` keeps an act. `clock`: seconds since 1970."""
        super().__init__("retention")
        self._rules = rules
        self._note = note
        self._store = store
        self._clock = clock
        self._wake = threading.Event()
        self._failed = False
        self._trimmed: str | None = None  # the day of which that is noted

    def _rouse(self) -> None:
        self._wake.set()

    def change(self, body: Mapping[str, object], by: Who) -> RetentionRules:
        """Change the rules that `body` names, and hold to them from now on.

        Raises: Invalid, with every field that is wrong.
        """
        before = self._rules.get()
        rules = _changed(before, body)
        old, new = asdict(before), asdict(rules)
        self._rules.put(
            rules, Act(by=by, what="log.retention", target="log", before=old, after=new)
        )
        self._wake.set()
        return rules

    def kept(self) -> Kept:
        """What is held, and for how long it can go on like that."""
        rules, days = self._rules.get(), self._store.days()
        used = sum(day.bytes for day in days)
        rate = _last_day_bytes(days, self._clock())
        return Kept(
            rules, used, self._store.stats().oldest_us, rate, _days_left(rules, used, rate)
        )

    def days(self) -> list[DayRows]:
        """Every day that is there, newest first."""
        return [
            DayRows(day.day, day.bytes, self._store.rows(day.day)) for day in self._store.days()
        ]

    def day(self, day: str) -> DayRows:
        """Raises: NotFound `day_not_found`."""
        for held in self._store.days():
            if held.day == day:
                return DayRows(day, held.bytes, self._store.rows(day))
        raise _no_day(day)

    def drop(self, day: str, by: Who) -> None:
        """Delete a day with all its requests. Raises: NotFound `day_not_found`."""
        held = self.day(day)
        facts = {"rows": held.rows, "bytes": held.bytes}
        self._note(Act(by=by, what="log.delete_day", target=day, before=facts))
        if not self._store.drop(day):
            raise _no_day(day)
        log.info("the log of %s was deleted", day)

    def hold(self) -> None:
        """Delete what is more than the rules allow: whole days, the oldest first; of the newest
        day, which stays, its oldest rows. Raises: what the store does."""
        rules = self._rules.get()
        days = self._store.days()
        while len(days) > 1 and not self._stop.is_set() and self._is_too_much(rules, days):
            oldest = days.pop()
            facts = {"rows": self._store.rows(oldest.day), "bytes": oldest.bytes}
            act = Act(by=SOCKPIT, what="log.delete_day", target=oldest.day, before=facts)
            self._store.drop(oldest.day)  # first: on a full disk it makes the room for the row
            self._note(act)
            log.info("the log of %s (%d bytes) was dropped", oldest.day, oldest.bytes)
        if len(days) == 1 and 0 < rules.max_bytes < days[0].bytes:
            self._trim(days[0].day, rules.max_bytes)

    def _trim(self, day: str, most_bytes: int) -> None:
        """It is noted once a day: at the limit there is a bit to do at each look."""
        steps = 0
        while not self._stop.is_set() and self._store.trim(day, most_bytes):
            steps += 1
        if not steps:
            return
        log.info("the oldest requests of %s were dropped: it was over the limit alone", day)
        if self._trimmed != day:
            self._trimmed = day
            facts = {"max_bytes": most_bytes}
            self._note(Act(by=SOCKPIT, what="log.trim_day", target=day, after=facts))

    def _is_too_much(self, rules: RetentionRules, days: list[HeldDay]) -> bool:
        if 0 < rules.max_bytes < sum(day.bytes for day in days):
            return True
        if not rules.max_age_days:
            return False
        kept_from = _date(self._clock()) - timedelta(days=rules.max_age_days)
        return days[-1].day < kept_from.strftime("%Y%m%d")

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                self.hold()
            except Exception:  # a damaged file, a disk that fails: the log goes on
                if not self._failed:
                    self._failed = True
                    log.exception("the log cannot be kept within its limits; told once, trying on")
            else:
                self._failed = False
            if not self._stop.is_set():
                self._wake.wait(_LOOK_S)


def _changed(base: RetentionRules, body: Mapping[str, object]) -> RetentionRules:
    read = FieldReader()
    given = read.known(body, "", ("max_age_days", "max_bytes"))
    age = read.whole(given, "max_age_days") if "max_age_days" in given else base.max_age_days
    if age is not None and not 0 <= age <= _MOST_DAYS:
        detail = f"max_age_days must be from 0 (no limit) to {_MOST_DAYS}."
        read.wrong("limit_range", detail, "max_age_days")
    most = read.whole(given, "max_bytes") if "max_bytes" in given else base.max_bytes
    if most is not None and most != 0 and not LEAST_BYTES <= most <= _MOST_BYTES:
        detail = (
            f"max_bytes must be 0 (no limit), or from {LEAST_BYTES} (64 MiB) to {_MOST_BYTES}."
        )
        read.wrong("limit_range", detail, "max_bytes")
    read.settle()
    assert age is not None
    assert most is not None
    return replace(base, max_age_days=age, max_bytes=most)


def _last_day_bytes(days: list[HeldDay], now: float) -> int:
    """What came in the last 24 h: all of today, and of yesterday as much as is not longer ago."""
    today = _date(now)
    left = 1 - now % _DAY_S / _DAY_S
    shares = {today: 1.0, today - timedelta(days=1): left}
    by_name = {day.strftime("%Y%m%d"): share for day, share in shares.items()}
    return int(sum(day.bytes * by_name.get(day.day, 0.0) for day in days))


def _days_left(rules: RetentionRules, used: int, rate: int) -> float | None:
    """None also where days grow too old before they are too many."""
    if not rules.max_bytes or not rate:
        return None
    if rules.max_age_days and rate * (rules.max_age_days + 1) <= rules.max_bytes:
        return None
    left = max(0, rules.max_bytes - used) / rate
    return left if left <= _SOON_DAYS else None


def _date(now: float) -> date:
    return datetime.fromtimestamp(now, UTC).date()


def _no_day(day: str) -> NotFound:
    return NotFound("day_not_found", f"There is no day {day!r} in the log. GET log/days has them.")
