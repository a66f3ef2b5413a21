"""The initial schema."""

import sqlalchemy as sa
from alembic import op

import widget.storage.database

revision = "0001"
down_revision = None

_APPEND_ONLY = {
    "sqlite": [
        "CREATE TRIGGER audit_log_no_update BEFORE UPDATE ON audit_log BEGIN SELECT RAISE(ABORT, 'append only'); END",
        "CREATE TRIGGER audit_log_no_delete BEFORE DELETE ON audit_log BEGIN SELECT RAISE(ABORT, 'append only'); END",
    ],
    "postgresql": [
        "CREATE FUNCTION audit_log_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'the audit log is append-only'; END $$",
        "CREATE TRIGGER audit_log_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log "
        "FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuse()",
    ],
}


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("encrypted_totp", sa.Text(), nullable=False),
        sa.Column("totp_step", sa.Integer(), nullable=False),
        sa.Column("disabled_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("verified_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("oidc_subject", sa.Text(), nullable=True),
        sa.Column("created_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("email", name=op.f("uq_users_email")),
        sa.UniqueConstraint("oidc_subject", name=op.f("uq_users_oidc_subject")),
    )
    op.create_table(
        "rate_limits",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("free_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_rate_limits")),
    )
    op.create_table(
        "shops",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("slug", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("postal_address", sa.Text(), nullable=False),
        sa.Column("cart", sa.JSON(), nullable=False),
        sa.Column("encrypted_secrets", sa.JSON(), nullable=False),
        sa.Column("secrets_rotated_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("quiet_from", sa.Text(), server_default="", nullable=False),
        sa.Column("quiet_to", sa.Text(), server_default="", nullable=False),
        sa.Column("emails_per_day", sa.Integer(), server_default="0", nullable=False),
        sa.Column("soft_opt_in", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("approval", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("catalog_revision", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shops")),
        sa.UniqueConstraint("slug", name=op.f("uq_shops_slug")),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_audit_log_user_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_audit_log_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    with op.batch_alter_table("audit_log", schema=None) as batch_op:
        batch_op.create_index("ix_audit_log_shop_id_id", ["shop_id", "id"], unique=False)

    op.create_table(
        "connections",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("platform", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), server_default="", nullable=False),
        sa.Column("encrypted_secrets", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("rotated_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("encrypted_key", sa.Text(), server_default="", nullable=False),
        sa.Column("synced_until", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("due_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("started_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("last_synced_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("found", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("uninstalled_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("paused_shop", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("changed_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_connections_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_connections")),
        sa.UniqueConstraint("shop_id", "platform", name=op.f("uq_connections_shop_id_platform")),
    )
    with op.batch_alter_table("connections", schema=None) as batch_op:
        batch_op.create_index("ix_connections_due_at", ["due_at"], unique=False)

    op.create_table(
        "contacts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("address_hash", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), server_default="", nullable=False),
        sa.Column("confirmed_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("created_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_contacts_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contacts")),
        sa.UniqueConstraint("shop_id", "address_hash", name=op.f("uq_contacts_shop_id_address_hash")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "content_versions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("quiz", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("highest", sa.JSON(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_content_versions_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_content_versions")),
        sa.UniqueConstraint("shop_id", "quiz", "number", name=op.f("uq_content_versions_shop_id_quiz_number")),
    )
    op.create_table(
        "daily_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("quiz", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("locale", sa.Text(), server_default=sa.text("('')"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_daily_events_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_daily_events")),
        sa.UniqueConstraint(
            "shop_id",
            "quiz",
            "day",
            "event",
            "question",
            "sku",
            "version",
            "locale",
            name=op.f("uq_daily_events_shop_id_quiz_day_event_question_sku_version_locale"),
        ),
    )
    op.create_table(
        "drafts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("quiz", sa.Text(), nullable=False),
        sa.Column("base", sa.Integer(), nullable=False),
        sa.Column("files", sa.JSON(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("changed_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_drafts_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_drafts")),
        sa.UniqueConstraint("shop_id", "quiz", name=op.f("uq_drafts_shop_id_quiz")),
    )
    op.create_table(
        "feeds",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("encrypted_address", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="idle", nullable=False),
        sa.Column("due_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("started_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("progress", sa.Integer(), server_default="0", nullable=False),
        sa.Column("allow_missing", sa.Integer(), server_default="0", nullable=False),
        sa.Column("allow_changed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("asked_by", sa.Integer(), nullable=True),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("outcome", sa.Text(), server_default="", nullable=False),
        sa.Column("uploaded", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("last_run_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("last_good_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("items", sa.Integer(), server_default="0", nullable=False),
        sa.Column("matched", sa.Integer(), server_default="0", nullable=False),
        sa.Column("changed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("missing", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("suspicious", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("problems", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("problems_more", sa.Integer(), server_default="0", nullable=False),
        sa.Column("error", sa.Text(), server_default="", nullable=False),
        sa.Column("seen_digest", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["asked_by"], ["users.id"], name=op.f("fk_feeds_asked_by")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_feeds_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feeds")),
        sa.UniqueConstraint("shop_id", name=op.f("uq_feeds_shop_id")),
    )
    with op.batch_alter_table("feeds", schema=None) as batch_op:
        batch_op.create_index("ix_feeds_due_at", ["due_at"], unique=False)

    op.create_table(
        "webhook_deliveries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), server_default="", nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("received_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.Column("done_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("digest", sa.Text(), server_default="", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("retry_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_webhook_deliveries_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_deliveries")),
        sa.UniqueConstraint(
            "shop_id", "source", "event_id", name=op.f("uq_webhook_deliveries_shop_id_source_event_id")
        ),
    )
    with op.batch_alter_table("webhook_deliveries", schema=None) as batch_op:
        batch_op.create_index("ix_webhook_deliveries_received_at", ["received_at"], unique=False)
        batch_op.create_index(
            "ix_webhook_deliveries_shop_id_source_digest", ["shop_id", "source", "digest"], unique=False
        )
        batch_op.create_index("ix_webhook_deliveries_state_id", ["state", "id"], unique=False)

    op.create_table(
        "email_events",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("address_hash", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_email_events_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_events")),
        sa.UniqueConstraint("shop_id", "event_id", name=op.f("uq_email_events_shop_id_event_id")),
    )
    with op.batch_alter_table("email_events", schema=None) as batch_op:
        batch_op.create_index("ix_email_events_at", ["at"], unique=False)
        batch_op.create_index(
            "ix_email_events_shop_id_address_hash_at", ["shop_id", "address_hash", "at"], unique=False
        )
        batch_op.create_index("ix_email_events_shop_id_at", ["shop_id", "at"], unique=False)

    op.create_table(
        "memberships",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("active_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("created_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_memberships_user_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_memberships_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_memberships")),
        sa.UniqueConstraint("shop_id", "user_id", name=op.f("uq_memberships_shop_id_user_id")),
    )
    with op.batch_alter_table("memberships", schema=None) as batch_op:
        batch_op.create_index("ix_memberships_user_id", ["user_id"], unique=False)

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
        sa.Column("due_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.Column("created_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.Column("changed_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_outbox_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index("ix_outbox_shop_id_kind_about", ["shop_id", "kind", "about"], unique=False)
        batch_op.create_index("ix_outbox_state_due_at", ["state", "due_at"], unique=False)

    op.create_table(
        "scheduled_publishes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("quiz", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("due_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("approver_id", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["approver_id"], ["users.id"], name=op.f("fk_scheduled_publishes_approver_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_scheduled_publishes_user_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_scheduled_publishes_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_scheduled_publishes")),
    )
    with op.batch_alter_table("scheduled_publishes", schema=None) as batch_op:
        batch_op.create_index("ix_scheduled_publishes_state_due_at", ["state", "due_at"], unique=False)

    op.create_table(
        "privacy_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("received_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.Column("done_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("state", sa.Text(), server_default="done", nullable=False),
        sa.Column("due_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("encrypted_event", sa.Text(), server_default="", nullable=False),
        sa.Column("found", sa.JSON(), nullable=False),
        sa.Column("contact_ids", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("order_ids", sa.JSON(), server_default="[]", nullable=False),
        sa.Column("encrypted_copy", sa.Text(), server_default="", nullable=False),
        sa.Column("copy_until", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_privacy_requests_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_requests")),
        sa.UniqueConstraint("shop_id", "event_id", name=op.f("uq_privacy_requests_shop_id_event_id")),
    )
    with op.batch_alter_table("privacy_requests", schema=None) as batch_op:
        batch_op.create_index("ix_privacy_requests_copy_until", ["copy_until"], unique=False)
        batch_op.create_index("ix_privacy_requests_state_due_at", ["state", "due_at"], unique=False)

    op.create_table(
        "products",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("sku", sa.Text(), nullable=False),
        sa.Column("feed", sa.JSON(), nullable=False),
        sa.Column("blocked", sa.Boolean(), nullable=False),
        sa.Column("block_reason", sa.Text(), nullable=False),
        sa.Column("updated_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_products_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_products")),
        sa.UniqueConstraint("shop_id", "sku", name=op.f("uq_products_shop_id_sku")),
    )
    op.create_table(
        "publications",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("quiz", sa.Text(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_publications_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_publications")),
        sa.UniqueConstraint("shop_id", "quiz", "sequence", name=op.f("uq_publications_shop_id_quiz_sequence")),
    )
    op.create_table(
        "responses",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("quiz", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("visit", sa.Text(), nullable=False),
        sa.Column("answers", sa.JSON(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("products", sa.JSON(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("created_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_responses_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_responses")),
        sa.UniqueConstraint("shop_id", "visit", name=op.f("uq_responses_shop_id_visit")),
    )
    with op.batch_alter_table("responses", schema=None) as batch_op:
        batch_op.create_index("ix_responses_created_at", ["created_at"], unique=False)

    op.create_table(
        "invitations",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("created_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.Column("expires_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=True),
        sa.Column("mailed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("used_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_invitations_user_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_invitations_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_invitations_token_hash")),
    )
    with op.batch_alter_table("invitations", schema=None) as batch_op:
        batch_op.create_index("ix_invitations_user_id", ["user_id"], unique=False)

    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("browser", sa.Text(), nullable=False),
        sa.Column("created_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.Column("seen_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.Column("ended_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_sessions_token_hash")),
    )
    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.create_index("ix_sessions_user_id", ["user_id"], unique=False)

    op.create_table(
        "unmatched_reports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("encrypted_message", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_unmatched_reports")),
        sa.UniqueConstraint("digest", name=op.f("uq_unmatched_reports_digest")),
    )
    with op.batch_alter_table("unmatched_reports", schema=None) as batch_op:
        batch_op.create_index("ix_unmatched_reports_received_at", ["received_at"], unique=False)

    op.create_table(
        "suppressions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("address_hash", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.Column("expires_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_suppressions_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_suppressions")),
        sa.UniqueConstraint("shop_id", "address_hash", name=op.f("uq_suppressions_shop_id_address_hash")),
    )
    op.create_table(
        "daily_metrics",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("quiz", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("metric", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_daily_metrics_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_daily_metrics")),
        sa.UniqueConstraint(
            "shop_id",
            "quiz",
            "metric",
            "day",
            "version",
            "locale",
            "name",
            name=op.f("uq_daily_metrics_shop_id_quiz_metric_day_version_locale_name"),
        ),
    )
    op.create_table(
        "consents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("text_version", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("emails_per_month", sa.Integer(), nullable=True),
        sa.Column("at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_consents_contact_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_consents_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.create_index("ix_consents_contact_id", ["contact_id"], unique=False)
        batch_op.create_index("ix_consents_shop_id_at", ["shop_id", "at"], unique=False)

    op.create_table(
        "draft_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("draft_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("steps", sa.JSON(), nullable=False),
        sa.Column("records", sa.Text(), nullable=False),
        sa.Column("undone_by", sa.Integer(), nullable=True),
        sa.Column("at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["draft_id"], ["drafts.id"], name=op.f("fk_draft_changes_draft_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_draft_changes_user_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_draft_changes_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draft_changes")),
        sa.UniqueConstraint("draft_id", "revision", name=op.f("uq_draft_changes_draft_id_revision")),
    )
    op.create_table(
        "draft_reports",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("draft_id", sa.Integer(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("against", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("report", sa.JSON(), nullable=False),
        sa.Column("at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["draft_id"], ["drafts.id"], name=op.f("fk_draft_reports_draft_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_draft_reports_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_draft_reports")),
        sa.UniqueConstraint("draft_id", name=op.f("uq_draft_reports_draft_id")),
    )
    with op.batch_alter_table("draft_reports", schema=None) as batch_op:
        batch_op.create_index("ix_draft_reports_state", ["state"], unique=False)

    op.create_table(
        "orders",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=True),
        sa.Column("customer_id", sa.Text(), server_default="", nullable=False),
        sa.Column("timezone", sa.Text(), server_default="", nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("accepts_marketing", sa.Boolean(), nullable=True),
        sa.Column("test", sa.Boolean(), nullable=False),
        sa.Column("eligible", sa.Boolean(), nullable=False),
        sa.Column("attributed", sa.Boolean(), nullable=False),
        sa.Column("lines", sa.JSON(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("refunds", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("field_timestamps", sa.JSON(), server_default="{}", nullable=False),
        sa.Column("placed_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("paid_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("fulfilled_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("delivered_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("cancelled_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("refunded_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("updated_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.Column("quiz", sa.Text(), nullable=True),
        sa.Column("quiz_version", sa.Integer(), nullable=True),
        sa.Column("quiz_locale", sa.Text(), nullable=True),
        sa.Column("completed_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("direct", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_orders_contact_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_orders_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
        sa.UniqueConstraint("shop_id", "external_id", name=op.f("uq_orders_shop_id_external_id")),
    )
    with op.batch_alter_table("orders", schema=None) as batch_op:
        batch_op.create_index("ix_orders_contact_id", ["contact_id"], unique=False)
        batch_op.create_index("ix_orders_shop_id_customer_id", ["shop_id", "customer_id"], unique=False)
        batch_op.create_index("ix_orders_shop_id_quiz_placed_at", ["shop_id", "quiz", "placed_at"], unique=False)

    op.create_table(
        "emails",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("shop_id", sa.Integer(), nullable=False),
        sa.Column("contact_id", sa.Integer(), nullable=False),
        sa.Column("order_id", sa.Integer(), nullable=True),
        sa.Column("trigger_kind", sa.Text(), nullable=False),
        sa.Column("trigger_id", sa.Text(), nullable=False),
        sa.Column("quiz", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("result_code", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("due_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.Column("valid_until", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.Column("changed_at", widget.storage.database.Utc(timezone=True), nullable=False),
        sa.Column("sent_at", widget.storage.database.Utc(timezone=True), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("variant", sa.Text(), server_default="", nullable=False),
        sa.Column("answer", sa.Text(), nullable=False),
        sa.Column("history", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["contact_id"], ["contacts.id"], name=op.f("fk_emails_contact_id")),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_emails_order_id")),
        sa.ForeignKeyConstraint(["shop_id"], ["shops.id"], name=op.f("fk_emails_shop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_emails")),
        sa.UniqueConstraint(
            "shop_id",
            "trigger_kind",
            "trigger_id",
            "sequence",
            "step",
            name=op.f("uq_emails_shop_id_trigger_kind_trigger_id_sequence_step"),
        ),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("emails", schema=None) as batch_op:
        batch_op.create_index("ix_emails_contact_id", ["contact_id"], unique=False)
        batch_op.create_index("ix_emails_message_id", ["message_id"], unique=False)
        batch_op.create_index("ix_emails_order_id", ["order_id"], unique=False)
        batch_op.create_index("ix_emails_shop_id_quiz_sent_at", ["shop_id", "quiz", "sent_at"], unique=False)
        batch_op.create_index("ix_emails_shop_id_sent_at", ["shop_id", "sent_at"], unique=False)
        batch_op.create_index("ix_emails_shop_id_state_due_at", ["shop_id", "state", "due_at"], unique=False)
        batch_op.create_index("ix_emails_state_due_at", ["state", "due_at"], unique=False)

    for statement in _APPEND_ONLY[op.get_bind().dialect.name]:
        op.execute(statement)
