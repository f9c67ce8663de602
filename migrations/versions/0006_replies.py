"""servers: how many replies to datagrams there are, and to whom

A server that was defined before goes on as it was: it answers every datagram, whoever it is from.
"""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: None = None
depends_on: None = None

#: What the limits meant until now; what a later version means by them does not matter here.
_ADDED = {"replies_per_s": 0, "replies_from_port": 0}


def upgrade() -> None:
    _rewrite_limits(lambda limits: {**_ADDED, **limits})


def downgrade() -> None:
    _rewrite_limits(lambda limits: {k: v for k, v in limits.items() if k not in _ADDED})


def _rewrite_limits(change: Any) -> None:
    connection = op.get_bind()
    rows = connection.execute(sa.text("SELECT name, limits FROM servers")).all()
    for name, limits in rows:
        connection.execute(
            sa.text("UPDATE servers SET limits = :limits WHERE name = :name"),
            {"name": name, "limits": json.dumps(change(json.loads(limits)))},
        )
