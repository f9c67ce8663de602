"""Looks twice a second whether all is as it should be: clocks, the disk, room for the log.

What it finds is a gap row, an alarm or a file. Knows nothing of SQL and of browsers.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

from app.log_facts import Gap
from app.services.ballast import Ballast
from app.services.daemon import Daemon
from app.services.recorder import Recorder
from app.times import iso

log = logging.getLogger("app.watch")

#: Seconds between two looks.
LOOK_S: Final = 0.5

#: After so long without a look the process stood still, unless it was busy for a part of it: then
#: it was only this thread that waited. So much the clock is off when it was set: far more than a
#: time service makes of it.
_STILL_US: Final = 2_500_000
_BUSY_SHARE: Final = 4
_STEP_US: Final = 1_000_000

#: What goes on while the machine sleeps, where there is such a clock.
_STEADY: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _wall_us() -> int:
    return time.time_ns() // 1000


def _steady_us() -> int:
    return time.clock_gettime_ns(_STEADY) // 1000


def _busy_us() -> int:
    """Of all threads together."""
    return time.process_time_ns() // 1000


class Clocks:
    """Whether time went on between two looks as it should. Thread: one at a time."""

    def __init__(
        self,
        wall_us: Callable[[], int] = _wall_us,
        steady_us: Callable[[], int] = _steady_us,
        busy_us: Callable[[], int] = _busy_us,
    ) -> None:
        self._wall_us, self._steady_us, self._busy_us = wall_us, steady_us, busy_us
        self._seen = self._now()

    def look(self, *, at_work: bool = False) -> list[Gap]:
        """What happened since the last look. `at_work`: we were, so it may be long ago."""
        before, self._seen = self._seen, self._now()
        passed_us = self._seen[1] - before[1]
        expected_us = before[0] + passed_us
        found: list[Gap] = []
        busy_us = self._seen[2] - before[2]
        still = passed_us >= _STILL_US and busy_us < passed_us // _BUSY_SHARE
        if still and not at_work:
            found.append(
                Gap(reason="stalled", began_us=before[0], ended_us=expected_us, missing=None)
            )
        if abs(self._seen[0] - expected_us) >= _STEP_US:
            found.append(
                Gap(reason="clock_step", began_us=expected_us, ended_us=self._seen[0], missing=0)
            )
        return found

    def _now(self) -> tuple[int, int, int]:
        return self._wall_us(), self._steady_us(), self._busy_us()


class Watch(Daemon):
    """What is looked at. Thread: see `Daemon`."""

    def __init__(self, recorder: Recorder, ballast: Ballast, clocks: Clocks) -> None:
        super().__init__("watch")
        self._recorder = recorder
        self._ballast = ballast
        self._clocks = clocks
        self._trouble = ""

    def look(self) -> None:
        """Thread: one at a time."""
        self._tell(self._clocks.look())
        self._look_at_disk()
        self._recorder.check()
        self._tell(self._clocks.look(at_work=True))  # a disk may take its time

    def _tell(self, gaps: list[Gap]) -> None:
        for gap in gaps:
            log.warning("%s from %s to %s", gap.reason, iso(gap.began_us), iso(gap.ended_us))
            self._recorder.note(gap)

    def _look_at_disk(self) -> None:
        try:
            self._ballast.look()
        except OSError as error:
            if self._trouble != str(error):
                self._trouble = str(error)
                log.error("the disk is not as it should be: %s", error)

    def _run(self) -> None:
        self._tell(self._clocks.look(at_work=True))  # we started when there was time for it
        while not self._stop.wait(LOOK_S):
            self.look()
