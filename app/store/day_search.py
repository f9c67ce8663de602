"""A filter as SQL over the table of a day file, and as what a block of its index must have.

Knows the columns and SQLite. `app/search/match.py` says the same of one request in plain Python;
tests hold the two together.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from app.search.terms import Compare, Contains, Filter
from app.store.day_schema import Values

_COLUMNS: Final = {"server": "server", "kind": "transport", "outcome": "outcome"}
_MEASURES: Final = {"size": "in_total + out_total", "took": "duration_us"}
_PREFIXES: Final = {
    "in": ("in_prefix",),
    "out": ("out_prefix",),
    None: ("in_prefix", "out_prefix"),
}

#: Bytes of one gram: what the index knows of a payload. UTF-8 writes a Chinese character in
#: three, so that every one of them is found.
GRAM_BYTES: Final = 3


@dataclass(frozen=True, slots=True)
class Condition:
    """`sql` is true for the rows asked for. The rest is what a block of rows must have to hold
    one: all `grams`, one of the `hosts` (if there are any), a start from `since` to `until`."""

    sql: str
    values: Values
    grams: frozenset[bytes]
    peers: tuple[str, ...]
    since_us: int | None
    until_us: int | None

    @property
    def reads_payloads(self) -> bool:
        return "_prefix" in self.sql

    @property
    def needs_index(self) -> bool:
        """Whether an index can tell blocks that need not be read."""
        return bool(self.grams or self.peers) or (self.since_us, self.until_us) != (None, None)


def condition(filter_: Filter, now_us: int) -> Condition:
    """`now_us`: from when on relative times count back."""
    parts = list(_parts(filter_, now_us))
    since = [moment.resolve(now_us) for moment in filter_.since]
    until = [moment.resolve(now_us) for moment in filter_.until]
    return Condition(
        sql=" AND ".join(f"({sql})" for sql, _ in parts) or "1",
        values=tuple(value for _, values in parts for value in values),
        grams=frozenset(
            gram for term in filter_.contains if not term.negated for gram in grams(term.data)
        ),
        peers=filter_.alternatives("peer"),
        since_us=max(since, default=None),
        until_us=min(until, default=None),
    )


def prepare(connection: sqlite3.Connection) -> None:
    """Give a connection the function that conditions use."""
    connection.create_function("folded_has", 2, _folded_has, deterministic=True)


def grams(data: bytes) -> set[bytes]:
    """Every three bytes in a row, A to Z as a to z."""
    folded = data.lower()
    return {folded[at : at + GRAM_BYTES] for at in range(len(folded) - GRAM_BYTES + 1)}


def _folded_has(data: bytes | None, folded: bytes) -> bool:
    return data is not None and folded in data.lower()


def _parts(filter_: Filter, now_us: int) -> Iterator[tuple[str, Values]]:
    for field, column in _COLUMNS.items():
        wanted = filter_.alternatives(field)  # type: ignore[arg-type]  # one of its literals
        if wanted:
            yield f"{column} IN ({', '.join('?' * len(wanted))})", wanted
        if field == "outcome" and wanted and "ok" not in wanted:
            yield "outcome <> 'ok'", ()  # the same once more, so that its index serves
        excluded = filter_.excluded(field)  # type: ignore[arg-type]
        if excluded:
            yield f"{column} NOT IN ({', '.join('?' * len(excluded))})", excluded
    peers = filter_.alternatives("peer")
    if peers:
        yield " OR ".join(["substr(peer, 1, ?) = ?"] * len(peers)), _prefixes(peers)
    for peer in filter_.excluded("peer"):
        yield "substr(peer, 1, ?) <> ?", _prefixes((peer,))
    yield from map(_comparison, filter_.comparisons)
    yield from (("started_us >= ?", (moment.resolve(now_us),)) for moment in filter_.since)
    yield from (("started_us < ?", (moment.resolve(now_us),)) for moment in filter_.until)
    yield from (_containing(term, filter_.direction) for term in filter_.contains)
    if filter_.direction and not filter_.contains:
        yield f"{filter_.direction}_total > 0", ()


def _prefixes(peers: tuple[str, ...]) -> Values:
    return tuple(value for peer in peers for value in (len(peer), peer))


def _comparison(term: Compare) -> tuple[str, Values]:
    # The operator is one of five, as parsed; never what somebody wrote.
    return f"{_MEASURES[term.field]} {term.op} ?", (term.value,)


def _containing(term: Contains, direction: str | None) -> tuple[str, Values]:
    call = "instr({}, ?) > 0" if term.exact else "folded_has({}, ?)"
    columns = _PREFIXES[direction]
    sql = " OR ".join(call.format(column) for column in columns)
    data = term.data if term.exact else term.data.lower()
    return f"NOT ({sql})" if term.negated else sql, (data,) * len(columns)
