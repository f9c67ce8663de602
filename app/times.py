"""Moments as text and back: ISO 8601, UTC, exact to the microsecond.

Knows the microseconds of the domain. Knows nothing of requests.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(us: int) -> str:
    """UTC microseconds since the epoch as `2026-11-23T10:00:00.000001Z`."""
    moment = (_EPOCH + timedelta(microseconds=us)).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='microseconds')}Z"


def microseconds(text: str) -> int:
    """What `iso` was given.

    Raises: ValueError if `text` is no moment, or one without its offset from UTC.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} does not say its offset from UTC")
    return (moment - _EPOCH) // timedelta(microseconds=1)
