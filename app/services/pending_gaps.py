"""What is missing, until the log says so: each gap waits for the requests that came before it.

Knows tickets, which rise as requests are queued. Knows nothing of queues and stores.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from app.log_facts import Gap, GapReason


class PendingGaps:
    """Requests dropped one after the other, for one reason, are one gap until it is taken. So
    there are few: one for each time that the queue is worked off.

    Thread: one at a time; its owner has a lock.
    """

    def __init__(self) -> None:
        #: Why a request would be dropped now.
        self.reason: GapReason = "dropped"
        self._waiting: deque[tuple[int, Gap]] = deque()  # with the ticket that it comes after
        self._taken: list[tuple[int, Gap]] = []  # with the writer, not in the log yet

    def __len__(self) -> int:
        return len(self._waiting) + len(self._taken)

    @property
    def first_ticket(self) -> int | None:
        """What the next one waits for, None if there is none."""
        return self._waiting[0][0] if self._waiting else None

    @property
    def oldest_ticket(self) -> int | None:
        """The same, of those that were taken too."""
        return self._taken[0][0] if self._taken else self.first_ticket

    def drop(self, ticket: int, now_us: int) -> bool:
        """One request more is missing. Returns: whether this is a new gap."""
        if self._waiting and self._waiting[-1][1].reason == self.reason:
            after, last = self._waiting[-1]
            missing = (last.missing or 0) + 1
            self._waiting[-1] = (after, replace(last, ended_us=now_us, missing=missing))
            return False
        gap = Gap(reason=self.reason, began_us=now_us, ended_us=now_us, missing=1)
        self.note(ticket, gap)
        return True

    def note(self, ticket: int, gap: Gap) -> None:
        self._waiting.append((ticket, gap))

    def take(self, before: int | None) -> list[Gap]:
        """Those that nothing is queued before: `before` is the ticket of what is, if anything."""
        while self._waiting and (before is None or self._waiting[0][0] < before):
            self._taken.append(self._waiting.popleft())
        return [gap for _, gap in self._taken]

    def commit(self) -> None:
        """What was taken is in the log."""
        self._taken = []
