"""Users and their sessions, in the control database. Sessions end with their user."""

from __future__ import annotations

from typing import cast

from sqlalchemy import delete
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session as Transaction
from sqlmodel import col, func, select, update

from app.errors import Conflict, NotFound
from app.store.audit import note
from app.store.database import Database
from app.store.tables import SessionRow, UserRow
from app.who import Act, Role, Session, User


class UserTable:
    """Thread: any; every call is one short transaction, with the act that it is in the audit."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[User]:
        """By name."""
        with self._database.reading() as session:
            return [_user(row) for row in session.exec(select(UserRow).order_by("name"))]

    def any(self) -> bool:
        """Whether there is a user at all."""
        with self._database.reading() as session:
            return session.exec(select(UserRow.name).limit(1)).first() is not None

    def get(self, name: str) -> User | None:
        with self._database.reading() as session:
            row = session.get(UserRow, name)
            return None if row is None else _user(row)

    def add(self, user: User, act: Act, *, first: bool = False) -> None:
        """Raises: Conflict `name_taken`; with `first`, `users_exist` when there is one."""
        try:
            with self._database.writing() as session:
                if first and session.exec(select(UserRow.name).limit(1)).first() is not None:
                    detail = "There is a user already. Log in, or ask an admin for an account."
                    raise Conflict("users_exist", detail)
                session.add(
                    UserRow(
                        name=user.name,
                        role=user.role,
                        password=user.password,
                        created_us=user.created_us,
                    )
                )
                note(session, act)
        except IntegrityError as error:
            detail = f"There is a user named {user.name!r} already. Choose another name."
            raise Conflict("name_taken", detail, "name") from error

    def change(
        self, name: str, act: Act, *, role: Role | None = None, password: str | None = None
    ) -> None:
        """A role or a password that is not None takes the place of the old one, and the sessions
        of before end. Raises: NotFound; Conflict `last_admin`."""
        with self._database.writing() as session:
            row = _existing(session, name)
            was_admin = row.role == "admin"
            if role is not None:
                row.role = role
            if password is not None:
                row.password = password
            session.execute(delete(SessionRow).where(col(SessionRow.user) == name))
            session.flush()
            if was_admin:
                _need_an_admin(session)
            note(session, act)

    def remove(self, name: str, act: Act) -> None:
        """Raises: NotFound; Conflict `last_admin`."""
        with self._database.writing() as session:
            row = _existing(session, name)
            was_admin = row.role == "admin"
            session.delete(row)
            session.flush()
            if was_admin:
                _need_an_admin(session)
            note(session, act)


class SessionTable:
    """Thread: any; every call is one short transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, begun: Session, act: Act) -> None:
        """Raises: NotFound when the user is gone."""
        with self._database.writing() as session:
            _existing(session, begun.user)
            session.add(
                SessionRow(
                    id=begun.id,
                    user=begun.user,
                    created_us=begun.created_us,
                    seen_us=begun.seen_us,
                    address=begun.address,
                    agent=begun.agent,
                )
            )
            note(session, act)

    def get(self, id_: str) -> tuple[Session, Role] | None:
        """The session and the role that its user has now."""
        asked = select(SessionRow, UserRow.role).join(UserRow).where(SessionRow.id == id_)
        with self._database.reading() as session:
            found = session.exec(asked).first()
            return found and (_session(found[0]), cast(Role, found[1]))

    def remove_all(self, act: Act) -> None:
        with self._database.writing() as session:
            session.execute(delete(SessionRow))
            note(session, act)

    def all(self, user: str | None = None) -> list[Session]:
        """Of one user or of all, the one seen last first."""
        asked = select(SessionRow).order_by(col(SessionRow.seen_us).desc())
        if user is not None:
            asked = asked.where(SessionRow.user == user)
        with self._database.reading() as session:
            return [_session(row) for row in session.exec(asked)]

    def seen(self, id_: str, at_us: int) -> None:
        with self._database.writing() as session:
            chosen = col(SessionRow.id) == id_
            session.execute(update(SessionRow).where(chosen).values(seen_us=at_us))

    def remove(self, id_: str, act: Act) -> bool:
        """Returns: False if there is none, and nothing is noted."""
        with self._database.writing() as session:
            row = session.get(SessionRow, id_)
            if row is None:
                return False
            session.delete(row)
            note(session, act)
            return True

    def remove_older(self, *, created_us: int, seen_us: int) -> None:
        """Forget those that began, or were seen last, before then."""
        older = (col(SessionRow.created_us) < created_us) | (col(SessionRow.seen_us) < seen_us)
        with self._database.writing() as session:
            session.execute(delete(SessionRow).where(older))


def _existing(session: Transaction, name: str) -> UserRow:
    row = session.get(UserRow, name)
    if row is None:
        raise NotFound("user_not_found", f"There is no user named {name!r}.")
    return row


def _need_an_admin(session: Transaction) -> None:
    admins = session.exec(select(func.count()).where(UserRow.role == "admin")).one()
    if not admins:
        detail = "Somebody must be an admin: make another user one first."
        raise Conflict("last_admin", detail)


def _user(row: UserRow) -> User:
    return User(
        name=row.name,
        role=cast(Role, row.role),
        password=row.password,
        created_us=row.created_us,
    )


def _session(row: SessionRow) -> Session:
    return Session(
        id=row.id,
        user=row.user,
        created_us=row.created_us,
        seen_us=row.seen_us,
        address=row.address,
        agent=row.agent,
    )
