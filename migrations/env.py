"""How Alembic reaches the control database.

Handed a connection by `app.store.database.upgrade`; from the command line (`alembic revision`)
it opens the database of the settings itself.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from alembic import context
from alembic.operations import MigrationScript
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlmodel.sql.sqltypes import AutoString

from app.settings import Settings
from app.store.database import FILE_NAME, make_engine
from app.store.tables import Table


def number(
    migration: MigrationContext, _revision: object, scripts: Iterable[MigrationScript]
) -> None:
    """Name a new revision 0002 after 0001, so that a listing of the files is the history."""
    newest = migration.get_current_revision() or "0"
    for script in scripts:
        script.rev_id = f"{int(newest) + 1:04}"


def render(kind: str, value: object, _context: object) -> str | Literal[False]:
    """SQLModel's string type as the plain one, so that a migration needs no SQLModel."""
    return "sa.String()" if kind == "type" and isinstance(value, AutoString) else False


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=Table.metadata,
        process_revision_directives=number,
        render_item=render,
        render_as_batch=True,  # SQLite alters little: copy the table instead
        transactional_ddl=True,  # make_engine() begins transactions itself, so DDL is in them
    )
    with context.begin_transaction():
        context.run_migrations()


given: Connection | None = context.config.attributes.get("connection")
if given is not None:
    migrate(given)
else:
    path = Settings().data_dir / FILE_NAME
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = make_engine(path, foreign_keys=False)
    with engine.begin() as opened:
        migrate(opened)
    engine.dispose()
