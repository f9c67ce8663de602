"""Tokens of the API: for programs, with a role, for all servers or some, until a day or for good.

A secret is shown once, when its token is made; its SHA-256 is kept alone.
"""

from __future__ import annotations

import hmac
import logging
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from app.errors import AppError, NotFound
from app.handlers.quote import quoted
from app.services.fields import FieldReader
from app.services.sessions import digest
from app.store.tokens import TokenTable
from app.who import ROLES, Act, Token, Who

log = logging.getLogger("app.tokens")

#: What every secret begins with, so that scanners of source code find one that was left there.
PREFIX: Final = "sck_"

_DAY_US: Final = 86_400_000_000
_MOST_DAYS: Final = 3_650
_NAME_LENGTH: Final = 100

#: A use is written down so often at most.
_USED_US: Final = 60_000_000


class Tokens:
    """Thread: any."""

    def __init__(
        self,
        table: TokenTable,
        deployed: str | None,
        servers: Callable[[], Iterable[str]],
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """`deployed`: the token that the settings give, an admin's, kept in memory alone.
        `servers`: the names that there are."""
        self._table = table
        self._deployed = deployed and digest(deployed)
        self._servers = servers
        self._clock_us = clock_us

    def find(self, secret: str, address: str) -> Who | None:
        """Whose it is, while it is good; that it is used is written down."""
        known = digest(secret)
        if self._deployed and hmac.compare_digest(known, self._deployed):
            return Who(kind="deployment", name="token", role="admin", address=address)
        token = self._table.by_secret(known)
        now = self._clock_us()
        if token is None or (token.expires_us is not None and now >= token.expires_us):
            return None
        if token.used_us is None or now - token.used_us >= _USED_US:
            self._used(token.id, now)
        return Who(
            kind="token",
            name=token.name,
            role=token.role,
            id=token.id,
            servers=None if token.servers is None else frozenset(token.servers),
            address=address,
        )

    def all(self) -> list[Token]:
        """The newest first."""
        return self._table.all()

    def get(self, id_: str) -> Token:
        """Raises: NotFound `token_not_found`."""
        for token in self._table.all():
            if token.id == id_:
                return token
        raise NotFound("token_not_found", f"There is no token {quoted(id_)}.")

    def now_us(self) -> int:
        """By the clock that tokens end by."""
        return self._clock_us()

    def make(self, body: Mapping[str, object], by: Who) -> tuple[Token, str]:
        """A token of a body `{"name", "role", "servers"?, "days"?}`, and its secret.

        Without `servers` it is for all of them, without `days` for good. Raises: Invalid.
        """
        read = FieldReader()
        given = read.known(body, "", ("name", "role", "servers", "days"))
        name, role = _name(read, given), read.choice(given, "role", ROLES)
        servers = self._some(read, given) if given.get("servers") is not None else None
        days = _days(read, given) if given.get("days") is not None else None
        read.settle()
        assert name is not None
        assert role is not None
        now = self._clock_us()
        token = Token(
            id=secrets.token_hex(6),
            name=name,
            role=role,
            servers=servers,
            created_us=now,
            created_by=by.name,
            expires_us=None if days is None else now + days * _DAY_US,
            used_us=None,
        )
        secret = PREFIX + secrets.token_urlsafe(32)
        facts = {"role": role, "servers": None if servers is None else list(servers), "days": days}
        act = Act(by=by, what="token.make", target=name, after=facts)
        self._table.add(token, digest(secret), act)
        return token, secret

    def remove(self, id_: str, by: Who) -> None:
        """It is good for nothing from now on. Raises: NotFound `token_not_found`."""
        self._table.remove(id_, Act(by=by, what="token.remove", target=self.get(id_).name))

    def _some(self, read: FieldReader, given: Mapping[str, object]) -> tuple[str, ...]:
        names = read.texts(given, "servers") or ()
        there = set(self._servers())
        missing = [name for name in names if name not in there]
        if missing:
            detail = f"There is no server named {missing[0]!r}."
            read.wrong("unknown_server", detail, "servers")
        elif not names and given.get("servers") == []:
            detail = "Name the servers that it is for, or leave `servers` out: then for all."
            read.wrong("no_servers", detail, "servers")
        return tuple(dict.fromkeys(names))

    def _used(self, id_: str, now_us: int) -> None:
        try:
            self._table.used(id_, now_us)
        except AppError as error:  # a full disk must not shut anybody out
            log.warning("that a token is in use cannot be written down: %s", error)


def _name(read: FieldReader, given: Mapping[str, object]) -> str | None:
    name = read.text(given, "name")
    if name is not None and not (1 <= len(name.strip()) <= _NAME_LENGTH and name.isprintable()):
        detail = f"A name has 1 to {_NAME_LENGTH} characters: say what the token is for."
        read.wrong("name_malformed", detail, "name")
    return name and name.strip()


def _days(read: FieldReader, given: Mapping[str, object]) -> int | None:
    days = read.whole(given, "days")
    if days is not None and not 1 <= days <= _MOST_DAYS:
        read.wrong("limit_range", f"days must be from 1 to {_MOST_DAYS}.", "days")
    return days
