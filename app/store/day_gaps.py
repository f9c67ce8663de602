"""The gaps between two places of the log, read from the day files.

Knows files, newest first, and what times are asked for. Knows nothing of who notes gaps.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from app.log_facts import Gap
from app.store.day_places import NEWEST, Place
from app.store.day_reader import reading, unless_dropped
from app.store.day_search import Condition

_GAPS: Final = """
SELECT after_seq, began_us, ended_us, reason, missing FROM gaps
WHERE after_seq >= ? AND after_seq < ?
AND max(began_us, ended_us) >= ? AND min(began_us, ended_us) < ?
ORDER BY after_seq DESC, ended_us DESC LIMIT ?
"""

#: As many are read of one stretch, the newest: more of them would say nothing more.
MOST: Final = 500


def between(files: Sequence[Path], low: Place, high: Place, wanted: Condition) -> list[Gap]:
    """The gaps from `low` on and before `high`, newest first, that touch the times asked for.

    Raises: DamagedDay, sqlite3.Error.
    """
    found: list[Gap] = []
    for path in files:
        if low.day <= path.stem <= high.day and len(found) < MOST:
            first = low.seq if path.stem == low.day else 0
            end = high.seq if path.stem == high.day else NEWEST
            with unless_dropped(path):
                found += _of_file(path, first, end, wanted, MOST - len(found))
    return found


def _of_file(path: Path, first: int, end: int, wanted: Condition, most: int) -> list[Gap]:
    since = -NEWEST if wanted.since_us is None else wanted.since_us
    until = NEWEST if wanted.until_us is None else wanted.until_us
    with reading(path) as connection:
        if connection is None:
            return []
        rows = connection.execute(_GAPS, (first, end, since, until, most))
        return [_gap_of_row(path.stem, row) for row in rows]


def _gap_of_row(day: str, row: tuple[Any, ...]) -> Gap:
    """The gap of a row of _GAPS."""
    after_seq, began_us, ended_us, reason, missing = row
    return Gap(
        reason=reason,
        began_us=began_us,
        ended_us=ended_us,
        missing=missing,
        after=f"{day}-{after_seq}",
    )
