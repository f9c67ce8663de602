"""Definitions of servers, kept in the control database.

Turns rows into `ServerSpec`s and back; knows nothing of what runs.
"""

from __future__ import annotations

import dataclasses
from typing import Any, cast

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from app.domain import (
    Address,
    Capture,
    Concurrency,
    InetAddress,
    Isolation,
    Limits,
    ServerSpec,
    Tls,
    Transport,
    UnixAddress,
    Wanted,
)
from app.errors import Conflict, NotFound
from app.store import tokens
from app.store.audit import note
from app.store.database import Database
from app.store.tables import ServerRow
from app.who import Act


class ServerTable:
    """The servers that are defined, by name.

    Thread: any; every call is one short transaction, with the act that it is in the audit.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> list[ServerSpec]:
        """Every definition, by name."""
        with self._database.reading() as session:
            return [_spec(row) for row in session.exec(select(ServerRow).order_by("name"))]

    def get(self, name: str) -> ServerSpec | None:
        with self._database.reading() as session:
            row = session.get(ServerRow, name)
            return None if row is None else _spec(row)

    def add(self, spec: ServerSpec, act: Act) -> None:
        """Raises: Conflict `name_taken`."""
        try:
            with self._database.writing() as session:
                session.add(ServerRow(name=spec.name, **_columns(spec)))
                note(session, act)
        except IntegrityError as error:
            raise Conflict(
                "name_taken",
                f"There is a server named {spec.name!r} already. Choose another name.",
                field="name",
            ) from error

    def replace(self, spec: ServerSpec, act: Act) -> None:
        """Store `spec` in place of the one with its name.

        Raises: NotFound `server_not_found`.
        """
        with self._database.writing() as session:
            _existing(session, spec.name).sqlmodel_update(_columns(spec))
            note(session, act)

    def set_wanted(self, name: str, wanted: Wanted, act: Act) -> None:
        """Raises: NotFound `server_not_found`."""
        with self._database.writing() as session:
            _existing(session, name).wanted = wanted
            note(session, act)

    def remove(self, name: str, act: Act) -> None:
        """Tokens that were for it are not any more. Raises: NotFound `server_not_found`."""
        with self._database.writing() as session:
            session.delete(_existing(session, name))
            left = tokens.leave(session, name)
            note(session, dataclasses.replace(act, after={"tokens": left}) if left else act)


def _existing(session: Session, name: str) -> ServerRow:
    row = session.get(ServerRow, name)
    if row is None:
        raise NotFound("server_not_found", f"There is no server named {name!r}.")
    return row


def _columns(spec: ServerSpec) -> dict[str, Any]:
    """Every column but the key."""
    return {
        "transport": spec.transport,
        "concurrency": spec.concurrency,
        "isolation": spec.isolation,
        "handler": spec.handler,
        "handler_options": dict(spec.handler_options),
        "address": dataclasses.asdict(spec.address),
        "limits": dataclasses.asdict(spec.limits),
        "tls": None if spec.tls is None else dataclasses.asdict(spec.tls),
        "capture": {**dataclasses.asdict(spec.capture), "mask": list(spec.capture.mask)},
        "wanted": spec.wanted,
        "created_us": spec.created_us,
    }


def _spec(row: ServerRow) -> ServerSpec:
    return ServerSpec(
        name=row.name,
        transport=cast(Transport, row.transport),
        concurrency=cast(Concurrency, row.concurrency),
        isolation=cast(Isolation, row.isolation),
        handler=row.handler,
        handler_options=row.handler_options,
        address=_address(row.address),
        limits=Limits(**row.limits),
        tls=None if row.tls is None else Tls(**row.tls),
        capture=Capture(**{**row.capture, "mask": tuple(row.capture["mask"])}),
        wanted=cast(Wanted, row.wanted),
        created_us=row.created_us,
    )


def _address(stored: dict[str, Any]) -> Address:
    return UnixAddress(**stored) if "name" in stored else InetAddress(**stored)
