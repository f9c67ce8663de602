"""Browsers that are logged in: begun by a password, known by a secret, ended by many things.

Of a secret its SHA-256 is kept alone: who reads the database cannot be anybody.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from app.errors import AppError, NotFound, Unauthorized
from app.handlers.quote import quoted
from app.services.passwords import Passwords
from app.services.throttle import Throttle
from app.store.users import SessionTable, UserTable
from app.who import Act, Session, User, Who

log = logging.getLogger("app.sessions")

_SECOND_US: Final = 1_000_000

#: From the last use on, and from the login on.
IDLE_US: Final = 3_600 * _SECOND_US
LONGEST_US: Final = 12 * 3_600 * _SECOND_US

#: A use is written down so often at most.
_SEEN_US: Final = 60 * _SECOND_US

#: Characters kept of what a browser says that it is.
_AGENT_LENGTH: Final = 200


class Sessions:
    """Thread: any."""

    def __init__(
        self,
        users: UserTable,
        table: SessionTable,
        passwords: Passwords,
        clock_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._users = users
        self._table = table
        self._passwords = passwords
        self._throttle = Throttle()
        self._clock_us = clock_us

    def log_in(self, name: str, password: str, *, address: str, agent: str) -> str:
        """The secret of a new session.

        Raises: Unauthorized `wrong_login`, the same for a wrong name; TooMany.
        """
        with self._throttle.attempt(name, address):
            user = self._users.get(name)
            right = self._passwords.matches(password, None if user is None else user.password)
            if user is None or not right:
                log.warning("a login as %s from %s failed", quoted(name), address)
                detail = "That name and password do not belong together."
                raise Unauthorized("wrong_login", detail, "password")
        return self.begin(user, address=address, agent=agent)

    def begin(self, user: User, *, address: str, agent: str) -> str:
        """A session of somebody whose password is known to be right. Returns: its secret."""
        now = self._clock_us()
        self._table.remove_older(created_us=now - LONGEST_US, seen_us=now - IDLE_US)
        secret = secrets.token_urlsafe(32)
        begun = Session(
            id=digest(secret),
            user=user.name,
            created_us=now,
            seen_us=now,
            address=address,
            agent=agent[:_AGENT_LENGTH],
        )
        by = Who(kind="user", name=user.name, role=user.role, id=begun.id, address=address)
        self._table.add(begun, Act(by=by, what="session.begin", target=user.name))
        return secret

    def find(self, secret: str, address: str) -> Who | None:
        """Whose session it is, while it lasts; that it is used is written down."""
        id_ = digest(secret)
        found = self._table.get(id_)
        if found is None:
            return None
        session, role = found
        now = self._clock_us()
        if not _lasts(session, now):
            return None
        if now - session.seen_us >= _SEEN_US:
            self._seen(replace(session, seen_us=now))
        return Who(kind="user", name=session.user, role=role, id=id_, address=address)

    def check(self, who: Who, password: str) -> None:
        """Raises: Unauthorized `wrong_password` when it is not the user's own; TooMany."""
        with self._throttle.attempt(who.name, who.address):
            user = self._users.get(who.name)
            if user is None or not self._passwords.matches(password, user.password):
                detail = "That is not the password you have now."
                raise Unauthorized("wrong_password", detail, "current")

    def all(self, user: str | None = None) -> list[Session]:
        """Those that last, of one user or of all: the one used last first."""
        now = self._clock_us()
        return [each for each in self._table.all(user) if _lasts(each, now)]

    def known_to(self, who: Who) -> list[Session]:
        """Those that `who` may end: an admin any, a user its own; a token has none."""
        if who.may_all("administer"):
            return self.all()
        return self.all(who.name) if who.kind == "user" else []

    def end(self, id_: str, by: Who) -> None:
        """Log it out, if it is `known_to` the one who asks. Raises: NotFound."""
        found = self._table.get(id_)
        if found is not None and _may_end(found[0], by):
            self._table.remove(id_, Act(by=by, what="session.end", target=found[0].user))
            return
        raise NotFound("session_not_found", "There is no such session: it may have ended.")

    def _seen(self, session: Session) -> None:
        try:
            self._table.seen(session.id, session.seen_us)
        except AppError as error:  # a full disk must not log anybody out
            log.warning("that a session is in use cannot be written down: %s", error)


def digest(secret: str) -> str:
    """The SHA-256 of a secret of 32 random bytes, which needs no salt."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _may_end(session: Session, by: Who) -> bool:
    """A token may have the name of a user, and is not that user."""
    return by.may_all("administer") or (by.kind == "user" and by.name == session.user)


def _lasts(session: Session, now_us: int) -> bool:
    return now_us - session.seen_us < IDLE_US and now_us - session.created_us < LONGEST_US
