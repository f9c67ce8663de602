"""What of a batch of events counts, and which day each of them is of. Knows nothing of files."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import lru_cache
from typing import Final

from app.store.requests import RequestEvent, RequestKey, key_of
from sockcore.events import RequestFinished, RequestProgressed

_DAY_US: Final = 86_400_000_000
_EPOCH: Final = date(1970, 1, 1).toordinal()


def latest(batch: Sequence[RequestEvent]) -> dict[RequestKey, RequestEvent]:
    """The event that counts for each request, in the order the requests were first seen."""
    found: dict[RequestKey, RequestEvent] = {}
    for event in batch:
        key = key_of(event)
        if isinstance(event, RequestProgressed) and isinstance(found.get(key), RequestFinished):
            continue  # the ticker was overtaken by the end
        found[key] = event
    return found


def day_of(us: int) -> str:
    """`YYYYMMDD` of a moment, UTC microseconds since the epoch."""
    return _day_name(us // _DAY_US)


@lru_cache(maxsize=8)
def _day_name(days: int) -> str:
    return date.fromordinal(_EPOCH + days).strftime("%Y%m%d")
