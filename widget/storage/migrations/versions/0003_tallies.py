"""tallies of answers, counts by version and language, and what the quiz had to do with an order"""

import sqlalchemy as sa
from alembic import op

import widget.storage.database

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "tallies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("quiz", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_tallies_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tallies")),
        sa.UniqueConstraint(
            "shop_id",
            "quiz",
            "what",
            "day",
            "version",
            "locale",
            "name",
            name=op.f("uq_tallies_shop_id_quiz_what_day_version_locale_name"),
        ),
    )
    with op.batch_alter_table("counts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("version", sa.Integer(), server_default=sa.text("0"), nullable=False))
        batch_op.add_column(sa.Column("locale", sa.Text(), server_default=sa.text("''"), nullable=False))
        batch_op.drop_constraint("uq_counts_shop_id_quiz_day_event_question_sku", type_="unique")
        batch_op.create_unique_constraint(
            "uq_counts_shop_id_quiz_day_event_question_sku_version_locale",
            ["shop_id", "quiz", "day", "event", "question", "sku", "version", "locale"],
        )

    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.add_column(sa.Column("quiz", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("quiz_version", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("quiz_locale", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("completed_at", widget.storage.database.Utc(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("strict", sa.Boolean(), nullable=True))
        batch_op.create_index("ix_orders_shop_id_quiz_placed_at", ["shop_id", "quiz", "placed_at"], unique=False)

    with op.batch_alter_table("letters", schema=None) as batch_op:
        batch_op.create_index("ix_letters_shop_id_quiz_sent_at", ["shop_id", "quiz", "sent_at"], unique=False)

    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.create_index("ix_consents_shop_id_at", ["shop_id", "at"], unique=False)
