"""What is known of the request log besides its rows: how the recording fares, what is missing.

Knows ids of rows and their order. Knows nothing of who writes and who shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

T = TypeVar("T")

#: Why there is a gap. `dropped`: the queue of the log was full. `no_room`, `failed`: it was, while
#: the disk had no room for the log, or the log could not be written. `unclean`: the process
#: before ended without writing the last of it. `stalled`: the process stood still. `clock_step`:
#: the clock was set; nothing is missing, but the times before and after do not compare.
GapReason = Literal["dropped", "no_room", "failed", "unclean", "stalled", "clock_step"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A time of which the log does not have everything."""

    reason: GapReason
    began_us: int  # UTC, as the clock was then
    ended_us: int  # before `began_us` where the clock was set back
    missing: int | None  # requests; None: nobody knows
    after: str = ""  # the id of the row that it stands after; "": it is not in the log yet


#: Requests that wait to be written.
_PRESSED: Final = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStats:
    """Counts of finished requests since the start. received == stored + dropped + pending."""

    received: int
    stored: int
    dropped: int
    pending: int
    writer_lag_ms: int
    state: Literal["ok", "failed"]
    error: str | None = None
    failures: int = 0  # times that a write to the log failed

    @property
    def is_pressed(self) -> bool:
        """Whether so many wait to be written that this, and serving, comes before all else."""
        return self.pending >= _PRESSED


def place_key(id_: str) -> tuple[str, int]:
    """What orders ids, and so rows and gaps: the newer one is greater."""
    day, _, seq = id_.partition("-")
    return day, int(seq)


def interleaved(rows: Iterable[tuple[str, T]], gaps: Iterable[Gap]) -> Iterator[T | Gap]:
    """Rows, each with its id, and gaps as one list, newest first as both of them are."""
    others = iter(gaps)
    gap = next(others, None)
    for id_, row in rows:
        while gap is not None and place_key(gap.after) >= place_key(id_):
            yield gap
            gap = next(others, None)
        yield row
    if gap is not None:
        yield gap
    yield from others
