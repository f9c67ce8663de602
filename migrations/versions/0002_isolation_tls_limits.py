"""servers: isolation, tls, and limits that were not there

A server that was defined before goes on as it was: in this process, without TLS, with no limit
that it did not have.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: None = None
depends_on: None = None

#: What the limits meant until now; what a later version means by them does not matter here.
_ADDED = {
    "max_connections_per_address": 0,
    "send_timeout_s": 0.0,
    "handshake_timeout_s": 5.0,
    "handler_timeout_s": 0.0,
    "max_threads": 1000,
    "max_queue": 1000,
    "max_children": 40,
}


def upgrade() -> None:
    with op.batch_alter_table("servers") as table:
        # The default is for the rows there are: new ones say it themselves.
        table.add_column(
            sa.Column("isolation", sa.String(), nullable=False, server_default="thread")
        )
        table.add_column(sa.Column("tls", sa.JSON(), nullable=True))
    with op.batch_alter_table("servers") as table:
        table.alter_column("isolation", server_default=None)
    _rewrite_limits(lambda limits: {**_ADDED, **limits})


def downgrade() -> None:
    _rewrite_limits(lambda limits: {k: v for k, v in limits.items() if k not in _ADDED})
    with op.batch_alter_table("servers") as table:
        table.drop_column("tls")
        table.drop_column("isolation")


def _rewrite_limits(change: Any) -> None:
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT name, limits FROM servers")).all()
    for name, limits in rows:
        connection.execute(
            sa.text("UPDATE servers SET limits = :limits WHERE name = :name"),
            {"name": name, "limits": json.dumps(change(json.loads(limits)))},
        )
