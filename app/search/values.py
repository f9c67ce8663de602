"""Sizes, spans and points of time as they are written in a search line, both ways.

    size     1k = 1024 bytes; m and g are the next ones. 1kb = 1000 bytes, and so on. 1.5k is fine
    took     100ms; the unit is needed: us, ms, s, m, h
    moment   -15m, with s, m, h, d; or 2026-11-23, 2026-11-23T10:00, ...:30, ...:30.5, UTC

Knows numbers and units; knows nothing of terms and quotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final, get_args

from app.search.refusals import refusal, shown
from app.search.terms import Measure, Moment, Operator

#: What SQLite holds in an integer.
MOST: Final = 2**63 - 1
#: Of a relative moment, in seconds: a thousand years.
MOST_AGO_S: Final = 365_250 * 86_400

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)

_BYTES = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_DECIMAL_BYTES = {"b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3}
_BINARY_BYTES = {"kib": 1024, "mib": 1024**2, "gib": 1024**3}
_SPANS = {"us": 1, "ms": 1000, "s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6}
_AGO = {"s": 1, "m": 60, "h": 3600, "d": 86_400}

#: As understood, and as written.
_READ: Mapping[Measure, Mapping[str, int]] = {
    "size": _BYTES | _DECIMAL_BYTES | _BINARY_BYTES,
    "took": _SPANS | {"µs": 1, "μs": 1},  # the micro sign, and the Greek letter
}
_WRITTEN: Mapping[Measure, Mapping[str, int]] = {"size": _BYTES, "took": _SPANS}
_NOUN: Mapping[Measure, str] = {"size": "size", "took": "duration"}
_HINT: Mapping[Measure, str] = {
    "size": "Write bytes, or a number with k, m or g (1k is 1024 bytes): size:>1k",
    "took": "Write a number with us, ms, s, m or h: took:>100ms",
}
_MOMENT_HINT = (
    "Write how long ago it is, as -15m, -2h or -7d, or a time in UTC, as 2026-11-23 or"
    " 2026-11-23T10:00:30"
)

_OPERATORS: tuple[Operator, ...] = get_args(Operator)
_COMPARED = re.compile(r"([<>]=?|=|)([0-9]+(?:\.[0-9]+)?)([A-Za-zµμ]*)")
_RELATIVE = re.compile(r"-([0-9]+)([smhdSMHD])")
_FIXED = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?:[Tt ]([0-9]{2}:[0-9]{2})(:[0-9]{2}(?:\.[0-9]{1,6})?)?[Zz]?)?"
)


def read_compared(measure: Measure, value: str, word: str) -> tuple[Operator, int]:
    """`>1.5k` as (">", 1536); no operator is `=`. Raises: Invalid, which quotes `word`."""
    found = _COMPARED.fullmatch(value)
    scale = _READ[measure].get(found[3].lower()) if found else None
    if found is None or scale is None:
        raise refusal(f"bad_{measure}", f"{shown(word)} is no {_NOUN[measure]}. {_HINT[measure]}.")
    exact = Decimal(found[2]) * scale
    if exact > MOST:
        raise refusal(f"bad_{measure}", f"{shown(word)} is beyond what is counted: take less.")
    whole = int(exact)
    if whole != exact:
        unit = "bytes" if measure == "size" else "microseconds"
        detail = f"{shown(word)} is no whole number of {unit}: leave decimals out."
        raise refusal(f"bad_{measure}", detail)
    return next(op for op in _OPERATORS if op == (found[1] or "=")), whole


def write_compared(measure: Measure, op: Operator, value: int) -> str:
    """The shortest that is exact: `>1536`, `>=2k`, `<100ms`."""
    return f"{op}{_in_largest(value, _WRITTEN[measure])}"


def read_moment(value: str, word: str) -> Moment:
    """Raises: Invalid, which quotes `word`."""
    relative = _RELATIVE.fullmatch(value)
    if relative is None:
        return Moment(us=_fixed_us(value, word))
    ago_s = int(relative[1]) * _AGO[relative[2].lower()]
    if ago_s > MOST_AGO_S:
        raise refusal("bad_time", f"{shown(word)} is more than a thousand years ago: take less.")
    return Moment(ago_s=ago_s)


def _fixed_us(value: str, word: str) -> int:
    found = _FIXED.fullmatch(value)
    if found is None:
        raise refusal("bad_time", f"{shown(word)} is no time. {_MOMENT_HINT}.")
    whole, _, fraction = (found[3] or ":00").partition(".")
    text = f"{found[1]}T{found[2] or '00:00'}{whole}.{fraction:0<6}+00:00"
    try:
        return (datetime.fromisoformat(text) - _EPOCH) // _US
    except ValueError:
        detail = f"There is no such time as {shown(word)}. {_MOMENT_HINT}."
        raise refusal("bad_time", detail) from None


def write_moment(moment: Moment) -> str:
    """The shortest that is exact: `-2h`, `2026-11-23`, `2026-11-23T10:00:30.5`."""
    if moment.ago_s is not None:
        return f"-{_in_largest(moment.ago_s, _AGO)}"
    assert moment.us is not None
    then = (_EPOCH + moment.us * _US).replace(tzinfo=None)
    if then.microsecond:
        return then.isoformat(timespec="microseconds").rstrip("0")
    if then.second:
        return then.isoformat(timespec="seconds")
    if then.hour or then.minute:
        return then.isoformat(timespec="minutes")
    return then.date().isoformat()


def _in_largest(value: int, units: Mapping[str, int]) -> str:
    """`value` in the largest unit of which it is a whole number; 0 in the smallest."""
    fitting = [unit for unit, scale in units.items() if value % scale == 0]
    unit = fitting[-1] if value else fitting[0]
    return f"{value // units[unit]}{unit}"
