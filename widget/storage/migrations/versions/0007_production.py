"""what running in production asks for"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.add_column("shops", sa.Column("revision", sa.Integer(), server_default="0", nullable=False))
