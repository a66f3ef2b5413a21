"""No periodic task reads a large table from end to end: each statement that it sends is explained by PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text

import workers.start  # noqa: F401  # It registers the tasks.
from tests.load.emails import plan_emails
from tests.support.database import PostgresCopies
from widget.services import Services
from workers.app import app
from workers.schedule import beat_schedule

ROWS = 100_000
LARGE = {
    "contacts": {"address_hash": "'many-' || n"},
    "orders": {"external_id": "'many-' || n", "contact_id": "n"},
    "emails": {
        "trigger_id": "'many-' || n",
        "contact_id": "n",
        "order_id": "n",
        "state": "'sent'",
        "sent_at": "{ago}",
        "changed_at": "{ago}",
    },
    "responses": {"visit": "'many-' || n", "created_at": "{ago}"},
    "webhook_deliveries": {"event_id": "'many-' || n", "state": "'done'", "received_at": "{ago}"},
    "email_events": {"event_id": "'many-' || n", "at": "{ago}"},
    "consents": {"contact_id": "n", "at": "{ago}"},
    "outbox": {"state": "'sent'", "changed_at": "{ago}"},
    "suppressions": {"address_hash": "'many-' || n"},
    "privacy_requests": {"event_id": "'many-' || n", "state": "'done'", "received_at": "{ago}"},
}
"""The columns that differ between the rows of each large table. ``{ago}``: spread over the last 20 days."""


@pytest.fixture(scope="module")
def large(postgres_copies: PostgresCopies) -> Iterator[str]:
    with postgres_copies.one() as url:
        yield url


def fill(services: Services) -> None:
    """Copy one row of each large table ROWS times, within the database."""
    plan_emails(services, 1)
    with services.sessions.begin() as session:
        session.execute(text("SET LOCAL statement_timeout = 0"))
        session.execute(text("SET LOCAL session_replication_role = replica"))
        for statement in SEEDS:
            session.execute(text(statement))
        for table, own in LARGE.items():
            names = session.execute(
                text("SELECT column_name FROM information_schema.columns WHERE table_name = :table"), {"table": table}
            )
            columns = sorted({name for (name,) in names} - {"id"})
            ago = f"now() - interval '20 days' + n * interval '{20 * 86400 / ROWS} seconds'"
            values = [own.get(name, name).replace("{ago}", ago) for name in columns]
            session.execute(
                text(
                    f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "  # Our own.
                    f"FROM (SELECT * FROM {table} ORDER BY id LIMIT 1) AS one, generate_series(1, {ROWS}) AS n"
                )
            )
    with services.database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE"))


SEEDS = (
    "INSERT INTO responses (shop_id, quiz, version, visit, answers, outcome, products, locale, created_at) "
    "VALUES (1, 'leg-day', 1, 'v', '{}', 'calves', '[]', 'en', now())",
    "INSERT INTO webhook_deliveries (shop_id, source, event_id, topic, body, state, error, received_at) "
    "VALUES (1, 'shopify', 'e', 'orders/create', '', 'done', '', now())",
    "INSERT INTO email_events (shop_id, address_hash, kind, event_id, category, cause, provider, at) "
    "VALUES (1, 'h', 'delivered', 'e', '', '', 'smtp', now())",
    "INSERT INTO consents (shop_id, contact_id, kind, state, text_version, source, at) "
    "VALUES (1, 1, 'marketing', 'granted', '1', 'quiz', now())",
    "INSERT INTO outbox (shop_id, kind, about, encrypted_recipient, encrypted_message, state, reason, attempts, due_at, "
    "created_at, changed_at) VALUES (1, 'test', 0, '', '', 'sent', '', 1, now(), now(), now())",
    "INSERT INTO suppressions (shop_id, address_hash, reason, at) VALUES (1, 'h', 'unsubscribed', now())",
    "INSERT INTO privacy_requests (shop_id, event_id, kind, received_at, state, encrypted_event, found, contact_ids, "
    "order_ids, encrypted_copy) VALUES (1, 'e', 'data', now(), 'done', '', '{}', '[]', '[]', '')",
)


def explained(services: Services, task: Callable[[], Any]) -> list[tuple[str, list[str]]]:
    """Run a task; return each of its statements with the large tables that its plan reads from end to end."""
    sent: dict[str, Any] = {}

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if statement.lstrip().split(" ", 1)[0] in ("SELECT", "UPDATE", "DELETE") and not many:
            sent.setdefault(statement, parameters)

    event.listen(services.database, "before_cursor_execute", note)
    try:
        task()
    finally:
        event.remove(services.database, "before_cursor_execute", note)
    with services.database.connect() as connection:
        return [(statement, _scanned(connection, statement, given)) for statement, given in sent.items()]


def _scanned(connection: Any, statement: str, given: Any) -> list[str]:
    found: list[str] = []

    def walk(node: dict[str, Any]) -> None:
        if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE:
            found.append(node["Relation Name"])
        for inner in node.get("Plans", []):
            walk(inner)

    rows = connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", given).scalar()
    walk((json.loads(rows) if isinstance(rows, str) else rows)[0]["Plan"])
    return found


def test_no_periodic_task_scans_a_large_table(
    large: str, make_services: Callable[..., Services], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    services = make_services(large)
    fill(services)
    monkeypatch.setattr("workers.app.services", lambda: services)
    monkeypatch.setenv("RECOVERY_ENV", "local")  # Celery's app reads the settings when it is first used.
    monkeypatch.setenv("RECOVERY_HOME", str(tmp_path))
    found = {}
    for entry in beat_schedule(30).values():
        task = app.tasks[entry["task"]]
        statements = explained(services, task)
        assert statements or entry["task"] == "collect_bounces"  # That one has no mailbox here.
        found |= {f"{entry['task']}: {statement}": tables for statement, tables in statements if tables}

    assert found == {}


def test_scan_of_a_large_table_is_found(large: str, make_services: Callable[..., Services]) -> None:
    services = make_services(large)

    def scans() -> None:
        with services.reads() as session:
            session.execute(text("SELECT count(*) FROM emails WHERE reason = 'x'"))

    assert [tables for _, tables in explained(services, scans)] == [["emails"]]
