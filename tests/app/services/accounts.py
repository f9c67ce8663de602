"""Users, sessions and tokens over a real control database, by clocks that stand still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from app.services.access import Access
from app.services.passwords import Passwords
from app.services.sessions import Sessions
from app.services.tokens import Tokens
from app.services.users import Users
from app.store.audit import AuditTable
from app.store.database import FILE_NAME, Database
from app.store.tokens import TokenTable
from app.store.users import SessionTable, UserTable
from app.who import SOCKPIT, Role, User
from tests.app.store.samples import NOON_US

PASSWORD = "long enough to be one"
HERE = "192.0.2.1"
THERE = "192.0.2.2"

#: A token of the settings.
DEPLOYED = "sck_of-the-settings-alone"


class Accounts:
    """The services and the tables below them. `now_us` and `now_s` are what the clocks say;
    `servers` the names that there are."""

    def __init__(self, database: Database) -> None:
        self.now_us = NOON_US
        self.now_s = 0.0
        self.servers = ["one", "two", "three"]
        self.passwords = Passwords()
        self.user_table = UserTable(database)
        self.session_table = SessionTable(database)
        self.token_table = TokenTable(database)
        self.audit = AuditTable(database)
        self.users = self.started_anew()
        self.sessions = Sessions(
            self.user_table, self.session_table, self.passwords, lambda: self.now_us
        )
        self.tokens = Tokens(self.token_table, DEPLOYED, lambda: self.servers, lambda: self.now_us)
        self.access = Access(self.users, self.sessions, self.tokens)

    def started_anew(self) -> Users:
        """The users as the next start of Sockpit would have them."""
        return Users(self.user_table, self.passwords, lambda: self.now_s)

    def user(self, name: str = "ana", role: Role = "viewer") -> User:
        """A new one, whose password is PASSWORD."""
        body = {"name": name, "role": role, "password": PASSWORD}
        return self.users.create(body, SOCKPIT)

    def log_in(self, name: str = "ana", address: str = HERE, agent: str = "") -> str:
        """The secret of a new session."""
        return self.sessions.log_in(name, PASSWORD, address=address, agent=agent)

    def acts(self) -> list[str]:
        """What was done, to whom, the first first."""
        return [f"{entry.what} {entry.target}" for entry in self.audit.page(limit=500)[::-1]]


@contextmanager
def opened(folder: Path) -> Iterator[Accounts]:
    database = Database(folder / FILE_NAME)
    try:
        yield Accounts(database)
    finally:
        database.close()
