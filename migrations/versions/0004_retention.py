"""retention: how much of the log is kept

The one row is there from the beginning: 30 days and 10 GB.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: None = None
depends_on: None = None


def upgrade() -> None:
    table = op.create_table(
        "retention",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("max_age_days", sa.Integer(), nullable=False),
        sa.Column("max_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention")),
    )
    op.bulk_insert(table, [{"id": 1, "max_age_days": 30, "max_bytes": 10_000_000_000}])


def downgrade() -> None:
    op.drop_table("retention")
