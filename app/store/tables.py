"""The tables of the control database, which Alembic compares the migrations with.

Knows nothing of sessions or of the domain: `servers.py` turns rows into values.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, ForeignKey, MetaData
from sqlmodel import Field, SQLModel

#: Constraints have names, so that a later migration can drop or change one.
NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Table(SQLModel):
    """The root of the control tables: they share one metadata."""

    metadata = MetaData(naming_convention=NAMING)


class ServerRow(Table, table=True):
    """The definition of a server."""

    __tablename__ = "servers"

    name: str = Field(primary_key=True)
    transport: str
    concurrency: str
    isolation: str
    handler: str
    handler_options: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    address: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    limits: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    tls: dict[str, Any] | None = Field(sa_column=Column(JSON(none_as_null=True)))
    capture: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    wanted: str
    created_us: int = Field(sa_column=Column(BigInteger, nullable=False))


class RetentionRow(Table, table=True):
    """How much of the log is kept: one row, whose id is 1."""

    __tablename__ = "retention"

    id: int = Field(primary_key=True)
    max_age_days: int
    max_bytes: int = Field(sa_column=Column(BigInteger, nullable=False))


class UserRow(Table, table=True):
    """Who may log in."""

    __tablename__ = "users"

    name: str = Field(primary_key=True)
    role: str
    password: str  # its Argon2id hash
    created_us: int = Field(sa_column=Column(BigInteger, nullable=False))


class SessionRow(Table, table=True):
    """A browser that is logged in. Who has its secret is it; here is the secret's SHA-256."""

    __tablename__ = "sessions"

    id: str = Field(primary_key=True)  # the SHA-256, in hexadecimal digits
    user: str = Field(
        sa_column=Column(ForeignKey("users.name", ondelete="CASCADE"), nullable=False, index=True)
    )
    created_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    seen_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    address: str
    agent: str


class TokenRow(Table, table=True):
    """A token of the API. Its id is no secret."""

    __tablename__ = "tokens"

    id: str = Field(primary_key=True)
    secret: str = Field(unique=True)  # its SHA-256, in hexadecimal digits
    name: str
    role: str
    servers: list[str] | None = Field(sa_column=Column(JSON(none_as_null=True)))
    created_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    created_by: str
    expires_us: int | None = Field(sa_column=Column(BigInteger))
    used_us: int | None = Field(sa_column=Column(BigInteger))


class AuditRow(Table, table=True):
    """An act that changed something. Rows are added, and no more: triggers hold to that."""

    __tablename__ = "audit"
    __table_args__ = {"sqlite_autoincrement": True}

    id: int | None = Field(default=None, primary_key=True)
    at_us: int = Field(sa_column=Column(BigInteger, nullable=False))
    who: str
    kind: str  # of whom, as Who.kind
    address: str
    what: str
    target: str
    before: dict[str, Any] | None = Field(sa_column=Column(JSON(none_as_null=True)))
    after: dict[str, Any] | None = Field(sa_column=Column(JSON(none_as_null=True)))
