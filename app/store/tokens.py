"""Tokens of the API, in the control database: of a secret only its SHA-256 is kept."""

from __future__ import annotations

from typing import cast

from sqlmodel import Session, col, select, update

from app.errors import NotFound
from app.store.audit import note
from app.store.database import Database
from app.store.tables import TokenRow
from app.who import Act, Role, Token


class TokenTable:
    """Thread: any; every call is one short transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[Token]:
        """The newest first."""
        asked = select(TokenRow).order_by(col(TokenRow.created_us).desc())
        with self._database.reading() as session:
            return [_token(row) for row in session.exec(asked)]

    def by_secret(self, digest: str) -> Token | None:
        """The one whose secret has that SHA-256, in hexadecimal digits."""
        with self._database.reading() as session:
            row = session.exec(select(TokenRow).where(TokenRow.secret == digest)).first()
            return None if row is None else _token(row)

    def add(self, token: Token, digest: str, act: Act) -> None:
        """`digest`: the SHA-256 of its secret, in hexadecimal digits."""
        with self._database.writing() as session:
            session.add(
                TokenRow(
                    id=token.id,
                    secret=digest,
                    name=token.name,
                    role=token.role,
                    servers=None if token.servers is None else list(token.servers),
                    created_us=token.created_us,
                    created_by=token.created_by,
                    expires_us=token.expires_us,
                    used_us=token.used_us,
                )
            )
            note(session, act)

    def used(self, id_: str, at_us: int) -> None:
        with self._database.writing() as session:
            chosen = col(TokenRow.id) == id_
            session.execute(update(TokenRow).where(chosen).values(used_us=at_us))

    def remove(self, id_: str, act: Act) -> None:
        """Raises: NotFound `token_not_found`."""
        with self._database.writing() as session:
            row = session.get(TokenRow, id_)
            if row is None:
                raise NotFound("token_not_found", f"There is no token {id_!r}.")
            session.delete(row)
            note(session, act)


def leave(session: Session, server: str) -> list[str]:
    """Take a server out of what tokens are for: another one of its name is not theirs. One that
    is left with none is for nothing. Returns: the names of the tokens."""
    scoped = session.exec(select(TokenRow).where(col(TokenRow.servers).is_not(None)))
    rows = [row for row in scoped if row.servers and server in row.servers]
    for row in rows:
        row.servers = [name for name in row.servers or () if name != server]
    return [row.name for row in rows]


def _token(row: TokenRow) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        role=cast(Role, row.role),
        servers=None if row.servers is None else tuple(row.servers),
        created_us=row.created_us,
        created_by=row.created_by,
        expires_us=row.expires_us,
        used_us=row.used_us,
    )
