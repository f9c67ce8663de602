"""Who may log in, with which role; and how the first user comes to be.

The first one is whoever opens the link that is printed at the start, within some minutes: it holds
a key that nobody else can know.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Final

from app.errors import Forbidden, NotFound
from app.services.fields import FieldReader
from app.services.passwords import Passwords, read_password
from app.store.users import UserTable
from app.who import ROLES, SOCKPIT, Act, User, Who

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")

#: The user that the settings give a password to.
ADMIN: Final = "admin"

#: Seconds after the start in which the first user can be made.
SET_UP_S: Final = 15 * 60


class Users:
    """Thread: any."""

    def __init__(
        self,
        table: UserTable,
        passwords: Passwords,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock_s`: seconds that only pass."""
        self._table = table
        self._passwords = passwords
        self._clock_s = clock_s
        self._key = secrets.token_urlsafe(24)
        self._open_until_s = clock_s() + SET_UP_S

    def all(self) -> list[User]:
        """By name."""
        return self._table.all()

    def get(self, name: str) -> User:
        """Raises: NotFound."""
        found = self._table.get(name)
        if found is None:
            raise NotFound("user_not_found", f"There is no user named {name!r}.")
        return found

    def any(self) -> bool:
        """Whether somebody can log in at all."""
        return self._table.any()

    def create(self, body: Mapping[str, object], by: Who) -> User:
        """A user of a body `{"name", "role", "password"}`. Raises: Invalid; Conflict; TooMany."""
        read = FieldReader()
        given = read.known(body, "", ("name", "role", "password"))
        name, role = _name(read, given), read.choice(given, "role", ROLES)
        password = read_password(read, given)
        read.settle()
        assert name is not None
        assert role is not None
        assert password is not None
        user = self._made(User(name=name, role=role, password="", created_us=0), password)
        self._table.add(user, Act(by=by, what="user.create", target=name, after={"role": role}))
        return user

    def change(self, name: str, body: Mapping[str, object], by: Who) -> User:
        """Another role or password: whoever is logged in as it has to log in again.

        Raises: NotFound; Invalid; Conflict `last_admin`; TooMany.
        """
        read = FieldReader()
        given = read.known(body, "", ("role", "password"))
        role = read.choice(given, "role", ROLES) if "role" in given else None
        password = read_password(read, given) if "password" in given else None
        read.settle()
        before = self.get(name)
        if role is None and password is None:
            return before
        act = Act(
            by=by,
            what="user.change",
            target=name,
            before={"role": before.role},
            after={"role": role or before.role, "new_password": password is not None},
        )
        hashed = None if password is None else self._passwords.hash(password)
        self._table.change(name, act, role=role, password=hashed)
        return self.get(name)

    def remove(self, name: str, by: Who) -> None:
        """And log it out everywhere. Raises: NotFound; Conflict `last_admin`."""
        before = self.get(name)
        act = Act(by=by, what="user.delete", target=name, before={"role": before.role})
        self._table.remove(name, act)

    def recover(self, name: str, password: str) -> bool:
        """Give a user another password on the machine itself; make an admin of that name, where
        there is none. Returns: whether it was made. Raises: Invalid."""
        if self._table.get(name) is None:
            self.create({"name": name, "role": "admin", "password": password}, SOCKPIT)
            return True
        self.change(name, {"password": password}, SOCKPIT)
        return False

    # -- the first one --------------------------------------------------------------------

    def set_up_key(self) -> str | None:
        """What the link to make the first user holds; None when there is one."""
        return None if self.any() else self._key

    def check_set_up(self, key: str) -> None:
        """Raises: Forbidden, `setup_done`, `setup_closed` or `setup_key`, with the way out."""
        if self.any():
            detail = "Sockpit is set up: there is somebody to log in as."
            raise Forbidden("setup_done", detail)
        if self._clock_s() >= self._open_until_s:
            detail = (
                "The time to set Sockpit up by this link is over. Restart Sockpit for a new one, "
                "or run on its machine: python -m app passwd NAME"
            )
            raise Forbidden("setup_closed", detail)
        if not hmac.compare_digest(key.encode("utf-8", "replace"), self._key.encode()):
            detail = "This is not the link that Sockpit printed at its last start. Open that one."
            raise Forbidden("setup_key", detail)

    def set_up(self, key: str, body: Mapping[str, object], address: str) -> User:
        """Make the first user, an admin, of a body `{"name", "password"}`.

        Raises: Forbidden, as `check_set_up`; Invalid; Conflict `users_exist`.
        """
        self.check_set_up(key)
        read = FieldReader()
        given = read.known(body, "", ("name", "password"))
        name, password = _name(read, given), read_password(read, given)
        read.settle()
        assert name is not None
        assert password is not None
        user = self._made(User(name=name, role="admin", password="", created_us=0), password)
        by = Who(kind="user", name=name, role="admin", address=address)
        self._table.add(user, Act(by=by, what="user.set_up", target=name), first=True)
        return user

    def _made(self, user: User, password: str) -> User:
        return User(
            name=user.name,
            role=user.role,
            password=self._passwords.hash(password),
            created_us=time.time_ns() // 1000,
        )


def _name(read: FieldReader, given: Mapping[str, object]) -> str | None:
    name = read.text(given, "name")
    if name is not None and not _NAME.fullmatch(name):
        detail = "A name is 1 to 64 of letters, digits and . _ @ -, and begins with no sign."
        read.wrong("name_malformed", detail, "name")
    return name
