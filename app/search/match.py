"""Whether one request is meant by a filter: the plain reference of what a search means.

Knows a request with its kept bytes in hand; knows nothing of stores, which find the same by SQL.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping

from app.domain import RequestDetail, RequestSummary
from app.search.terms import Compare, Contains, Direction, Field, Filter, Operator

_FIELDS: tuple[Field, ...] = ("server", "peer", "kind", "outcome")
_COMPARE: Mapping[Operator, Callable[[int, int], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
}


def matches(filter: Filter, detail: RequestDetail, now_us: int) -> bool:  # noqa: A002
    """Does the filter let this request through, its relative times counted from `now_us`?"""
    row = detail.summary
    return (
        all(_named(filter, field, row) for field in _FIELDS)
        and all(_compared(term, row) for term in filter.comparisons)
        and all(row.started_us >= moment.resolve(now_us) for moment in filter.since)
        and all(row.started_us < moment.resolve(now_us) for moment in filter.until)
        and _payloads(filter, detail)
    )


def _named(wanted: Filter, field: Field, row: RequestSummary) -> bool:
    alternatives = wanted.alternatives(field)
    return (not alternatives or any(_is(field, value, row) for value in alternatives)) and not any(
        _is(field, value, row) for value in wanted.excluded(field)
    )


def _is(field: Field, value: str, row: RequestSummary) -> bool:
    match field:
        case "server":
            return row.server == value
        case "peer":
            return row.peer.startswith(value)
        case "kind":
            return row.transport == value
        case "outcome":
            return row.outcome == value


def _compared(term: Compare, row: RequestSummary) -> bool:
    value = row.bytes_in + row.bytes_out if term.field == "size" else row.duration_us
    return _COMPARE[term.op](value, term.value)


def _payloads(wanted: Filter, detail: RequestDetail) -> bool:
    kept = _kept(detail, wanted.direction)
    if wanted.contains:
        return all(_within(term, kept) != term.negated for term in wanted.contains)
    row = detail.summary
    crossed = {None: True, "in": row.bytes_in > 0, "out": row.bytes_out > 0}
    return crossed[wanted.direction]


def _kept(detail: RequestDetail, direction: Direction | None) -> tuple[bytes, ...]:
    """What is kept of each direction to look at; never one joined to the other."""
    received, sent = detail.received.prefix, detail.sent.prefix
    return {None: (received, sent), "in": (received,), "out": (sent,)}[direction]


def _within(term: Contains, kept: tuple[bytes, ...]) -> bool:
    if term.exact:
        return any(term.data in data for data in kept)
    wanted = term.data.lower()  # of bytes: A to Z, nothing else
    return any(wanted in data.lower() for data in kept)
