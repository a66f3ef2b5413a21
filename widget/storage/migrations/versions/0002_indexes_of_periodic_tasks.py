"""Indexes for what periodic tasks look for; a sent email is in fewer of them than before."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_PARTIAL = {
    "ix_emails_planned": (["shop_id", "due_at"], "state = 'planned'"),
    "ix_emails_unsettled": (["state", "changed_at"], "state IN ('delivery_unknown', 'queued', 'sending')"),
    "ix_emails_with_answers": (["changed_at"], "result_code <> ''"),
    "ix_emails_shop_id_sent_at": (["shop_id", "sent_at"], "sent_at IS NOT NULL"),
    "ix_emails_shop_id_quiz_sent_at": (["shop_id", "quiz", "sent_at"], "sent_at IS NOT NULL"),
}
_BY_RANGE = {"emails": "changed_at", "orders": "updated_at"}
_FULL = {"outbox": "changed_at", "privacy_requests": "received_at"}
_OLD = {
    "ix_emails_state_due_at": ["state", "due_at"],
    "ix_emails_shop_id_state_due_at": ["shop_id", "state", "due_at"],
    "ix_emails_shop_id_sent_at": ["shop_id", "sent_at"],
    "ix_emails_shop_id_quiz_sent_at": ["shop_id", "quiz", "sent_at"],
}


def upgrade() -> None:
    for name in _OLD:
        op.drop_index(name, table_name="emails")
    for name, (columns, condition) in _PARTIAL.items():
        only = sa.text(condition)
        op.create_index(name, "emails", columns, postgresql_where=only, sqlite_where=only)
    for table, column in _BY_RANGE.items():
        op.create_index(f"ix_{table}_{column}", table, [column], postgresql_using="brin")
    for table, column in _FULL.items():
        op.create_index(f"ix_{table}_{column}", table, [column])
    only = sa.text("expires_at IS NOT NULL")
    op.create_index(
        "ix_suppressions_expires_at", "suppressions", ["expires_at"], postgresql_where=only, sqlite_where=only
    )


def downgrade() -> None:
    op.drop_index("ix_suppressions_expires_at", table_name="suppressions")
    for table, column in {**_BY_RANGE, **_FULL}.items():
        op.drop_index(f"ix_{table}_{column}", table_name=table)
    for name in _PARTIAL:
        op.drop_index(name, table_name="emails")
    for name, columns in _OLD.items():
        op.create_index(name, "emails", columns)
