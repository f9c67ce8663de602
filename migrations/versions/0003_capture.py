"""servers: what is kept of the bytes that cross

A server that was defined before goes on as it was: the first 64 KiB of each direction, unmasked.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: None = None
depends_on: None = None

#: What was kept until now; what a later version keeps by default does not matter here.
_BEFORE = {"policy": "full", "bytes": 65_536, "mask": []}


def upgrade() -> None:
    with op.batch_alter_table("servers") as table:
        # The default is for the rows there are: new ones say it themselves.
        table.add_column(
            sa.Column("capture", sa.JSON(), nullable=False, server_default=json.dumps(_BEFORE))
        )
    with op.batch_alter_table("servers") as table:
        table.alter_column("capture", server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("servers") as table:
        table.drop_column("capture")
