"""What a search of the request log asks for, as values: a filter of terms.

Positive `Is` terms of one field are alternatives; all else must hold, and a negated term must not.
Knows what each term means; knows nothing of how a line is written and of how rows are found.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from sockcore.events import Outcome

Field = Literal["server", "peer", "kind", "outcome"]
Measure = Literal["size", "took"]
Operator = Literal[">", ">=", "<", "<=", "="]
Direction = Literal["in", "out"]

#: What `Is("outcome", ...)` may name; `lost`: the process died before it ended.
OUTCOMES: tuple[str, ...] = (*get_args(Outcome), "lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A point of time: fixed, or so many seconds before whenever it is asked for."""

    us: int | None = None  # UTC microseconds since the epoch
    ago_s: int | None = None

    def __post_init__(self) -> None:
        if (self.us is None) == (self.ago_s is None):
            raise ValueError("a moment has either us or ago_s")

    def resolve(self, now_us: int) -> int:
        """UTC microseconds since the epoch."""
        if self.ago_s is not None:
            return now_us - self.ago_s * 1_000_000
        assert self.us is not None
        return self.us


@dataclass(frozen=True, slots=True)
class Is:
    """Server, kind (the transport) and outcome equal the value; a peer begins with it."""

    field: Field
    value: str
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Compare:
    """size: bytes received and sent together. took: the duration in microseconds."""

    field: Measure
    op: Operator
    value: int


@dataclass(frozen=True, slots=True)
class Since:
    """Started then or later."""

    moment: Moment


@dataclass(frozen=True, slots=True)
class Until:
    """Started before that."""

    moment: Moment


@dataclass(frozen=True, slots=True)
class Contains:
    """These bytes are within the kept ones of one direction, which is the filter's if it has one.

    Not exact: `data` is UTF-8 of a text as it was written, and A to Z equal a to z. Nothing else
    is folded: no É, no full-width letter.
    """

    data: bytes
    exact: bool
    negated: bool = False


Term = Is | Compare | Since | Until | Contains


@dataclass(frozen=True, slots=True)
class Filter:
    """All of a search. Without a term and a direction it lets every request through.

    `direction`: where every Contains looks, None for both. Where there is no Contains: that some
    bytes went that way at all. `within_some`: whoever asks is to know of some servers alone.
    """

    terms: tuple[Term, ...] = ()
    direction: Direction | None = None
    within_some: bool = False

    @property
    def contains(self) -> tuple[Contains, ...]:
        return tuple(term for term in self.terms if isinstance(term, Contains))

    @property
    def comparisons(self) -> tuple[Compare, ...]:
        return tuple(term for term in self.terms if isinstance(term, Compare))

    @property
    def since(self) -> tuple[Moment, ...]:
        """The request started at each of them or later."""
        return tuple(term.moment for term in self.terms if isinstance(term, Since))

    @property
    def until(self) -> tuple[Moment, ...]:
        """The request started before each of them."""
        return tuple(term.moment for term in self.terms if isinstance(term, Until))

    @property
    def shows_gaps(self) -> bool:
        """Whether what is missing may be of what is asked for: a server or a time at most is.

        It is counted over all servers, so that it is not for whoever is to know of some.
        """
        plain = all(
            isinstance(term, Since | Until) or (isinstance(term, Is) and term.field == "server")
            for term in self.terms
        )
        return plain and self.direction is None and not self.within_some

    def of_server(self, name: str | None) -> Filter:
        """The same of that server alone; of any where no name is given."""
        return replace(self, terms=(Is("server", name), *self.terms)) if name else self

    def within(self, servers: frozenset[str] | None) -> Filter:
        """The same of those servers alone; of any where there is None."""
        if servers is None:
            return self
        asked = frozenset(self.alternatives("server"))
        # Where nothing is left of them: a server that cannot be.
        names = sorted(servers & asked if asked else servers) or [""]
        others = tuple(term for term in self.terms if not _is_server(term))
        terms = (*(Is("server", name) for name in names), *others)
        return replace(self, terms=terms, within_some=True)

    def alternatives(self, field: Field) -> tuple[str, ...]:
        """One of these must hold, if there are any."""
        return self._values(field, negated=False)

    def excluded(self, field: Field) -> tuple[str, ...]:
        """None of these may hold."""
        return self._values(field, negated=True)

    def _values(self, field: Field, *, negated: bool) -> tuple[str, ...]:
        return tuple(
            term.value
            for term in self.terms
            if isinstance(term, Is) and term.field == field and term.negated == negated
        )


def _is_server(term: Term) -> bool:
    return isinstance(term, Is) and term.field == "server" and not term.negated
