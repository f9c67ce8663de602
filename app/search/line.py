"""The search line, both ways: what it asks for, and the canonical line of a filter.

    server:clock peer:10.0. kind:udp outcome:error dir:in size:>1k took:>100ms
    after:-15m before:2026-11-23T10:00 "text" -ping hex:0d0a00

`parse(format(f)) == f` for every filter that fits in a line: at most MOST_CHARS and MOST_WORDS,
its texts without line breaks and NUL. What `parse` returns always does. A value equals the
canonical one if it means the same: `size:1024` is written `size:=1k`.

Knows the keys and what they take; knows nothing of faces and of rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, get_args

from app.domain import TRANSPORTS
from app.search.refusals import refusal, shown
from app.search.terms import (
    OUTCOMES,
    Compare,
    Contains,
    Direction,
    Field,
    Filter,
    Is,
    Measure,
    Since,
    Term,
    Until,
)
from app.search.values import read_compared, read_moment, write_compared, write_moment
from app.search.words import Word, split, written, written_text

MOST_CHARS: Final = 1_000
MOST_WORDS: Final = 32

KEYS: Final = (
    *("server", "peer", "kind", "outcome", "dir", "size", "took", "after", "before", "hex"),
)
_DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
_NEGATABLE = ("server", "peer", "kind", "outcome", "hex")


@dataclass(frozen=True, slots=True)
class Chip:
    """One condition of a line: its canonical text, and the canonical line without it."""

    text: str
    without: str


def parse(line: str) -> Filter:
    """What the line asks for.

    Raises: Invalid, of field `q`, with the first thing that is wrong; codes begin with `search_`.
    """
    _refuse_length(line)
    terms: list[Term] = []
    direction: Direction | None = None
    for count, word in enumerate(split(line), start=1):
        if count > MOST_WORDS:
            detail = f"The search has more than {MOST_WORDS} conditions: leave some out."
            raise refusal("too_many", f"{detail} {shown(word.text)} is the first too many.")
        key = _key(word)
        if key == "dir":
            direction = _direction(word, direction)
        else:
            terms.append(_text(word) if key is None else _READERS[key](word))
    found = Filter(tuple(terms), direction)
    _refuse_length(format(found))
    return found


def format(filter: Filter) -> str:  # noqa: A001, A002 - the pair of parse; what it takes
    """The canonical line, which means the same to `parse`."""
    return " ".join(text for text, _ in _parts(filter))


def chips(filter: Filter) -> tuple[Chip, ...]:  # noqa: A002
    """A chip for each condition, in the order of the canonical line."""
    return tuple(Chip(text, format(rest)) for text, rest in _parts(filter))


def _parts(whole: Filter) -> list[tuple[str, Filter]]:
    """Each condition as written, with the filter that lacks it.

    The direction comes before the first text, as it says where that is looked for.
    """
    terms = whole.terms
    parts = [
        (_written(term), replace(whole, terms=(*terms[:index], *terms[index + 1 :])))
        for index, term in enumerate(terms)
    ]
    if whole.direction is not None:
        texts = [index for index, term in enumerate(terms) if isinstance(term, Contains)]
        place = texts[0] if texts else len(terms)
        parts.insert(place, (f"dir:{whole.direction}", replace(whole, direction=None)))
    return parts


def _written(term: Term) -> str:
    match term:
        case Is():
            return f"{_dash(term)}{term.field}:{written(term.value)}"
        case Compare():
            return f"{term.field}:{write_compared(term.field, term.op, term.value)}"
        case Since():
            return f"after:{write_moment(term.moment)}"
        case Until():
            return f"before:{write_moment(term.moment)}"
        case Contains(exact=True):
            return f"{_dash(term)}hex:{term.data.hex()}"
        case Contains():
            return f"{_dash(term)}{written_text(term.data.decode('utf-8'))}"


def _dash(term: Is | Contains) -> str:
    return "-" if term.negated else ""


def _refuse_length(line: str) -> None:
    if len(line) > MOST_CHARS:
        detail = f"The search has more than {MOST_CHARS} characters"
        raise refusal("too_long", f"{detail}: {shown(line)}. Leave some out.")


def _key(word: Word) -> str | None:
    """The key of the word, None for a text. Raises: Invalid for a key that there is not."""
    if word.key is None:
        return None
    key = word.key.lower()
    if key in KEYS:
        _refuse_unfit(word, key)
        return key
    if word.value.startswith("//") and not word.quoted:
        return None  # a URL
    text = f"{'-' * word.negated}{written_text(f'{word.key}:{word.value}')}"
    raise refusal(
        "unknown_key",
        f"There is no key {shown(word.key)}; there are {', '.join(KEYS)}. If the colon is part"
        f" of the text, put it in quotes: {shown(text)}.",
    )


def _refuse_unfit(word: Word, key: str) -> None:
    if not word.value:
        detail = f"{shown(word.text)} has no value: write it after the colon, without a space."
        raise refusal("empty", detail)
    if word.negated and key not in _NEGATABLE:
        raise refusal(
            "negated",
            f"{shown(word.text)} cannot be negated: leave the dash out and turn the condition"
            f" round. A dash is for text and for {', '.join(_NEGATABLE)}.",
        )


def _text(word: Word) -> Contains:
    text = f"{word.key}:{word.value}" if word.key else word.value
    if word.negated and not word.quoted and (not text or text.startswith("-")):
        raise refusal(
            "dash",
            f"{shown(word.text)}: a dash in front excludes what follows. If it is part of the"
            f" text, put it in quotes: {shown(written_text(word.text))}.",
        )
    if not text:
        raise refusal("empty", f"{shown(word.text)} is an empty text: write one, or leave it out.")
    return Contains(text.encode("utf-8"), exact=False, negated=word.negated)


def _direction(word: Word, before: Direction | None) -> Direction:
    found = next((way for way in _DIRECTIONS if way == word.value.lower()), None)
    if found is None:
        detail = f"{shown(word.text)} is no direction: write dir:in or dir:out."
        raise refusal("unknown_dir", f"{detail} Without it both are looked at.")
    if before not in (None, found):
        detail = f"dir:{before} and {shown(word.text)} exclude each other: leave one out."
        raise refusal("two_dirs", f"{detail} Without both, both directions are looked at.")
    return found


def _named(field: Field, choices: tuple[str, ...] = ()) -> Callable[[Word], Is]:
    """Reads `field`; where there are choices it must be one of them, in either case."""

    def read(word: Word) -> Is:
        value = word.value.lower() if choices else word.value
        if choices and value not in choices:
            detail = f"{shown(word.text)} names no {field}; there are {', '.join(choices)}."
            raise refusal(f"unknown_{field}", detail)
        return Is(field, value, word.negated)

    return read


def _measured(measure: Measure) -> Callable[[Word], Compare]:
    return lambda word: Compare(measure, *read_compared(measure, word.value, word.text))


def _hex(word: Word) -> Contains:
    try:
        data = bytes.fromhex(word.value)
    except ValueError:
        data = b""
    if not data:
        raise refusal(
            "bad_hex",
            f"{shown(word.text)} is no row of bytes: write two digits of 0-9 and a-f for each"
            ' byte, spaces only in quotes: hex:"0d 0a".',
        )
    return Contains(data, exact=True, negated=word.negated)


_READERS: Mapping[str, Callable[[Word], Term]] = {
    "server": _named("server"),
    "peer": _named("peer"),
    "kind": _named("kind", TRANSPORTS),
    "outcome": _named("outcome", OUTCOMES),
    "size": _measured("size"),
    "took": _measured("took"),
    "after": lambda word: Since(read_moment(word.value, word.text)),
    "before": lambda word: Until(read_moment(word.value, word.text)),
    "hex": _hex,
}
