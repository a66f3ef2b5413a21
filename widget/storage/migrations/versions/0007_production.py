"""what running in production asks for"""

import sqlalchemy as sa
from alembic import op

import widget.storage.database

revision = "0007"
down_revision = "0006"


def _at() -> widget.storage.database.Utc:
    return widget.storage.database.Utc(timezone=True)


def upgrade() -> None:
    with op.batch_alter_table("shops") as table:
        table.add_column(sa.Column("revision", sa.Integer(), server_default="0", nullable=False))
        table.drop_column("locale")  # Nothing ever read these two.
        table.drop_column("mail_from")
    op.add_column("consents", sa.Column("emails_per_month", sa.Integer(), nullable=True))
    if op.get_bind().dialect.name == "sqlite":
        for name in ("contacts", "letters"):
            with op.batch_alter_table(name, recreate="always", table_kwargs={"sqlite_autoincrement": True}):
                pass  # Made anew with ids that are never given out twice.
    _outbox()
    _users()
    _webhooks()
    _privacy_requests()


def _outbox() -> None:
    op.create_table(
        "outbox",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("about", sa.Integer(), server_default="0", nullable=False),
        sa.Column("encrypted_recipient", sa.Text(), nullable=False),
        sa.Column("encrypted_message", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("due_at", _at(), nullable=False),
        sa.Column("created_at", _at(), nullable=False),
        sa.Column("changed_at", _at(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_outbox_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_state_due_at", "outbox", ["state", "due_at"])
    op.create_index("ix_outbox_shop_id_kind_about", "outbox", ["shop_id", "kind", "about"])


def _users() -> None:
    """Nothing has been released: whoever is in the console today was let in by its operator."""
    with op.batch_alter_table("people") as table:
        table.add_column(sa.Column("verified_at", _at(), nullable=True))
        table.add_column(sa.Column("oidc_subject", sa.Text(), nullable=True))
        table.create_unique_constraint(op.f("uq_people_oidc_subject"), ["oidc_subject"])
    op.add_column("memberships", sa.Column("active_at", _at(), nullable=True))
    op.execute("UPDATE memberships SET active_at = created_at")
    with op.batch_alter_table("sign_in_links") as table:
        table.add_column(sa.Column("shop_id", sa.Integer(), nullable=True))
        table.add_column(sa.Column("mailed", sa.Boolean(), server_default=sa.false(), nullable=False))
        table.create_foreign_key(op.f("fk_sign_in_links_shop_id"), "shops", ["shop_id"], ["id"])


def _webhooks() -> None:
    op.add_column("hooks", sa.Column("digest", sa.Text(), server_default="", nullable=False))
    op.add_column("hooks", sa.Column("attempts", sa.Integer(), server_default="0", nullable=False))
    op.add_column("hooks", sa.Column("retry_at", _at(), nullable=True))
    op.create_index("ix_hooks_shop_id_door_digest", "hooks", ["shop_id", "door", "digest"])
    op.create_index("ix_hooks_received_at", "hooks", ["received_at"])


def _privacy_requests() -> None:
    with op.batch_alter_table("privacy_requests") as table:
        table.alter_column("done_at", existing_type=_at(), nullable=True)
        table.add_column(sa.Column("state", sa.Text(), server_default="done", nullable=False))
        table.add_column(sa.Column("due_at", _at(), nullable=True))
        table.add_column(sa.Column("encrypted_event", sa.Text(), server_default="", nullable=False))
        table.create_index("ix_privacy_requests_state_due_at", ["state", "due_at"])
