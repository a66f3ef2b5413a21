"""when a hook secret was rotated, quiet hours, and the most letters a day"""

import sqlalchemy as sa
from alembic import op

import widget.storage.database

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    at = widget.storage.database.Utc(timezone=True)
    op.add_column("shops", sa.Column("secrets_rotated_at", at, nullable=True))
    op.add_column("shops", sa.Column("quiet_from", sa.Text(), server_default="", nullable=False))
    op.add_column("shops", sa.Column("quiet_to", sa.Text(), server_default="", nullable=False))
    op.add_column("shops", sa.Column("letters_a_day", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_letters_shop_id_sent_at", "letters", ["shop_id", "sent_at"], unique=False)
