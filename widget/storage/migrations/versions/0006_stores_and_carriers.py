"""connections, privacy requests, mail reports, and what orders and letters know more"""

import sqlalchemy as sa
from alembic import op

import widget.storage.database

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    _connections()
    _privacy_requests()
    _mail_reports()
    _more_columns()


def _at() -> widget.storage.database.Utc:
    return widget.storage.database.Utc(timezone=True)


def _connections() -> None:
    op.create_table(
        "connections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("sealed_secrets", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("rotated_at", _at(), nullable=True),
        sa.Column("sealed_key", sa.Text(), server_default="", nullable=False),
        sa.Column("looked_until", _at(), nullable=True),
        sa.Column("due_at", _at(), nullable=True),
        sa.Column("started_at", _at(), nullable=True),
        sa.Column("last_look_at", _at(), nullable=True),
        sa.Column("found", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("uninstalled_at", _at(), nullable=True),
        sa.Column("changed_at", _at(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_connections_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connections")),
        sa.UniqueConstraint("shop_id", "platform", name=op.f("uq_connections_shop_id_platform")),
    )
    op.create_index("ix_connections_due_at", "connections", ["due_at"], unique=False)


def _privacy_requests() -> None:
    op.create_table(
        "privacy_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("received_at", _at(), nullable=False),
        sa.Column("done_at", _at(), nullable=False),
        sa.Column("found", sa.JSON(), nullable=False),
        sa.Column("contact_ids", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("order_ids", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("sealed_copy", sa.Text(), server_default="", nullable=False),
        sa.Column("copy_until", _at(), nullable=True),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_privacy_requests_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_requests")),
        sa.UniqueConstraint("shop_id", "event_id", name=op.f("uq_privacy_requests_shop_id_event_id")),
    )
    op.create_index("ix_privacy_requests_copy_until", "privacy_requests", ["copy_until"], unique=False)


def _mail_reports() -> None:
    op.create_table(
        "mail_reports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("address_hash", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("at", _at(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_mail_reports_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mail_reports")),
        sa.UniqueConstraint("shop_id", "event_id", name=op.f("uq_mail_reports_shop_id_event_id")),
    )
    columns = ["shop_id", "address_hash", "at"]
    op.create_index("ix_mail_reports_shop_id_address_hash_at", "mail_reports", columns, unique=False)
    op.create_index("ix_mail_reports_at", "mail_reports", ["at"], unique=False)


def _more_columns() -> None:
    op.add_column("hooks", sa.Column("topic", sa.Text(), server_default="", nullable=False))
    for name in ("customer_id", "timezone"):
        op.add_column("orders", sa.Column(name, sa.Text(), server_default="", nullable=False))
    for name in ("refunds", "told"):
        op.add_column("orders", sa.Column(name, sa.JSON(), server_default="{}", nullable=False))
    op.add_column("orders", sa.Column("refunded", sa.BigInteger(), server_default="0", nullable=False))
    op.create_index("ix_orders_shop_id_customer_id", "orders", ["shop_id", "customer_id"], unique=False)
    op.add_column("shops", sa.Column("soft_opt_in", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.add_column("contacts", sa.Column("timezone", sa.Text(), server_default="", nullable=False))
    op.add_column("letters", sa.Column("variant", sa.Text(), server_default="", nullable=False))
    op.create_index("ix_letters_shop_id_state_due_at", "letters", ["shop_id", "state", "due_at"], unique=False)
    op.create_index("ix_letters_message_id", "letters", ["message_id"], unique=False)
    # What stood here of a result's code told its answers to whoever plays through all of them.
    op.execute("UPDATE letters SET trigger_id = contact_id || ':' || id WHERE trigger_kind = 'result'")
    op.create_table(
        "send_limits",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("free_at", _at(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_send_limits")),
    )
