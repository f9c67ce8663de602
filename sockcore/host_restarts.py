"""When a host process that died is started again, and when no more. Knows clocks."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

__all__ = ["Deaths", "Restarts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Restarts:
    """When a host that died is started again."""

    first_s: float = 1.0  # then doubled
    longest_s: float = 60.0
    most: int = 5  # deaths within `within_s`, then no more
    within_s: float = 60.0


class Deaths:
    """Those of one server since it was started by hand. Thread: one at a time."""

    def __init__(self, rule: Restarts) -> None:
        self._rule = rule
        self._at: deque[float] = deque()  # monotonic seconds

    def clear(self) -> None:
        self._at.clear()

    def count(self, cause: str) -> tuple[float | None, str]:
        """One more. Returns: seconds until the next try, None for never; and that in words."""
        rule, now = self._rule, time.monotonic()
        self._at.append(now)
        while self._at[0] < now - rule.within_s:
            self._at.popleft()
        count = len(self._at)
        if count >= rule.most:
            return None, f"{cause}; given up after {count} times in {rule.within_s:g} s"
        pause_s = min(rule.longest_s, rule.first_s * 2.0 ** (count - 1))
        return pause_s, f"{cause}; started again in {pause_s:g} s"
