"""The limits of a definition: how far each may go, reading them from what was asked for, and what
sockcore is to enforce.

What each one does is told in `app.domain.Limits`. Knows no server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import sockcore
from app.domain import Limits
from app.services.fields import FieldReader

_DAY_S = 86_400


class Range(NamedTuple):
    """From `least` to `most`, both included. `seconds`: fractions are fine."""

    least: float
    most: int
    seconds: bool = False
    zero: str = ""  # what 0 means, where it means something of its own


RANGES: Mapping[str, Range] = {
    "max_connections": Range(1, 100_000),
    "max_connections_per_address": Range(0, 100_000, zero="no limit"),
    "idle_timeout_s": Range(0, _DAY_S, seconds=True, zero="no limit"),
    "send_timeout_s": Range(0, 3600, seconds=True, zero="no limit"),
    "handshake_timeout_s": Range(0.1, 600, seconds=True),
    "handler_timeout_s": Range(0, _DAY_S, seconds=True, zero="never"),
    "max_threads": Range(1, 10_000),
    "max_queue": Range(0, 100_000),
    "max_children": Range(1, 10_000),
    "backlog": Range(1, 65_535),
    "replies_per_s": Range(0, 1_000_000, zero="no limit"),
    "replies_from_port": Range(0, 65_535, zero="to all"),
}
LIMIT_KEYS = tuple(RANGES)

#: What a running server cannot change: it listens and answers with them.
FIXED_LIMITS = ("backlog", "max_threads", "max_queue", "max_children")


def read_limits(read: FieldReader, raw: object, base: Limits) -> Limits:
    """`base` with what `raw` names. What is wrong is noted in `read`."""
    given = read.known(raw, "limits", LIMIT_KEYS)
    values: dict[str, Any] = {key: _value(read, given, key) for key in given}
    return replace(base, **{key: value for key, value in values.items() if value is not None})


def _value(read: FieldReader, given: Mapping[str, object], key: str) -> int | float | None:
    """None: it is wrong, and that has been told."""
    path, allowed = f"limits.{key}", RANGES[key]
    value = read.number(given, path) if allowed.seconds else read.whole(given, path)
    if value is None:
        return None
    if not allowed.least <= value <= allowed.most:  # which NaN is not either
        zero = f" ({allowed.zero})" if allowed.zero else ""
        unit = " seconds" if allowed.seconds else ""
        detail = f"{path} must be from {allowed.least:g}{zero} to {allowed.most}{unit}."
        read.wrong("limit_range", detail, path)
        return None
    return float(value) if allowed.seconds else value


def enforced(limits: Limits, tape_bytes: int, own: frozenset[Any]) -> sockcore.Limits:
    """`limits` as a running server keeps them. `own`: who of ours gets no reply, by address."""
    return sockcore.Limits(
        max_connections=limits.max_connections,
        max_connections_per_address=limits.max_connections_per_address or None,
        idle_timeout_s=limits.idle_timeout_s or None,
        send_timeout_s=limits.send_timeout_s or None,
        handshake_timeout_s=limits.handshake_timeout_s,
        handler_timeout_s=limits.handler_timeout_s or None,
        tape_bytes=tape_bytes,
        replies_per_s=limits.replies_per_s or None,
        replies_from_port=limits.replies_from_port,
        no_reply_to=own,
    )
