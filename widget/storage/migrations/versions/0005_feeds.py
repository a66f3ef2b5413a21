"""the product feed of a shop"""

import sqlalchemy as sa
from alembic import op

import widget.storage.database

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    at = widget.storage.database.Utc(timezone=True)
    op.create_table(
        "feeds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("sealed_address", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="idle", nullable=False),
        sa.Column("due_at", at, nullable=True),
        sa.Column("started_at", at, nullable=True),
        sa.Column("progress", sa.Integer(), server_default="0", nullable=False),
        sa.Column("anyway", sa.Integer(), server_default="0", nullable=False),
        sa.Column("asked_by", sa.Integer(), nullable=True),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.Column("uploaded", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("last_run_at", at, nullable=True),
        sa.Column("last_good_at", at, nullable=True),
        sa.Column("items", sa.Integer(), server_default="0", nullable=False),
        sa.Column("matched", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("vanished", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("problems", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("problems_more", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("seen_digest", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_feeds_shop_id")),
        sa.ForeignKeyConstraint(["asked_by"], ["people.id"], name=op.f("fk_feeds_asked_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feeds")),
        sa.UniqueConstraint("shop_id", name=op.f("uq_feeds_shop_id")),
    )
    op.create_index("ix_feeds_due_at", "feeds", ["due_at"], unique=False)
