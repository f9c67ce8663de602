"""Users, sessions and tokens; who acts, how far they may go, and what they did.

Facts: they look nothing up. Moments are UTC microseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["viewer", "operator", "admin"]

#: The lowest first; each may do what those before it may.
ROLES: Final[tuple[Role, ...]] = ("viewer", "operator", "admin")

#: What a route is there for. `see`: of servers, or of what all may know; `see_all`: of the whole
#: instance; `operate`: start, stop, disconnect; `define`: make, change and delete servers;
#: `administer`: what concerns all servers, and users; `self`: whoever asks, alone.
Action = Literal["see", "see_all", "operate", "define", "administer", "self"]

#: The least role that each takes.
LEAST: Final[Mapping[Action, Role]] = {
    "see": "viewer",
    "see_all": "viewer",
    "operate": "operator",
    "define": "admin",
    "administer": "admin",
    "self": "viewer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Whoever acts. `name`: of the user or of the token. `id`: of the session or of the token.
    `servers`: those that a token is for, None for all; none of them when they were deleted.
    `address`: where it comes from."""

    kind: Literal["user", "token", "deployment", "machine"]
    name: str
    role: Role
    id: str = ""
    servers: frozenset[str] | None = None
    address: str = ""

    def may(self, action: Action) -> bool:
        """Whether the role is enough; on which servers is another question."""
        return ROLES.index(self.role) >= ROLES.index(LEAST[action])

    def may_all(self, action: Action) -> bool:
        """Whether it may do that to all servers."""
        return self.servers is None and self.may(action)

    def sees(self, server: str) -> bool:
        return self.servers is None or server in self.servers

    def is_same(self, other: Who) -> bool:
        """Whether it is the same user, by whichever session, or the same token."""
        one, two = (w.name if w.kind == "user" else w.id for w in (self, other))
        return (self.kind, one) == (other.kind, two)

    def __str__(self) -> str:
        what = self.name if self.kind == "user" else f"{self.kind} {self.name}"
        return f"{what} from {self.address}" if self.address else what


#: Sockpit itself: at its start, and for what its rules do.
SOCKPIT: Final = Who(kind="machine", name="sockpit", role="admin")


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """Something that was changed. `what` is `server.started`, say; `target` its name. `before` and
    `after`: of what it changed alone, in words that JSON has."""

    by: Who
    what: str
    target: str
    before: Mapping[str, object] | None = None
    after: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An act as it was kept. `number` counts up."""

    number: int
    at_us: int
    who: str
    kind: str
    address: str
    what: str
    target: str
    before: Mapping[str, object] | None
    after: Mapping[str, object] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who may log in. `password`: its Argon2id hash, which no answer has."""

    name: str
    role: Role
    password: str
    created_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A browser that is logged in. `id`: the SHA-256 of its secret, in hexadecimal digits.
    `agent`: what the browser says that it is."""

    id: str
    user: str
    created_us: int
    seen_us: int
    address: str
    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token of the API, without its secret. `servers`: those that it is for, None for all. Those
    that were deleted are not among them."""

    id: str
    name: str
    role: Role
    servers: tuple[str, ...] | None
    created_us: int
    created_by: str
    expires_us: int | None
    used_us: int | None
