"""A locked database: work that arrives meanwhile waits and is not given up."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

import widget.storage.database
from tests.support.database import rows
from tests.support.orders import webhook
from tests.support.shoppers import visit
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.services import Services
from widget.storage.responses import Response
from widget.storage.webhook_deliveries import WebhookDelivery


@contextmanager
def held(services: Services) -> Iterator[None]:
    line = sqlite3.connect(services.database.url.database or "", isolation_level=None)
    line.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        line.execute("ROLLBACK")
        line.close()


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(widget.storage.database, "BUSY_MS", 50)


def test_locked_database_raises_operational_error(sqlite_services: Services) -> None:
    with held(sqlite_services), pytest.raises(OperationalError), sqlite_services.sessions.begin() as session:
        session.execute(text("SELECT 1"))
    with sqlite_services.sessions.begin() as session:
        assert session.scalar(text("SELECT 1")) == 1


def test_webhook_delivery_waits_while_the_database_is_locked(sqlite_services: Services) -> None:
    webhook(sqlite_services)
    with held(sqlite_services):
        process_webhooks(sqlite_services)
    assert [webhook_delivery.state for webhook_delivery in rows(sqlite_services, WebhookDelivery)] == ["waiting"]
    process_webhooks(sqlite_services)

    assert [webhook_delivery.state for webhook_delivery in rows(sqlite_services, WebhookDelivery)] == ["done"]


def test_anonymous_responses_wait_in_memory_while_the_database_is_locked(sqlite_services: Services) -> None:
    with held(sqlite_services):
        visit(sqlite_services)
    assert rows(sqlite_services, Response) == []
    sqlite_services.recorder.flush()

    assert len(rows(sqlite_services, Response)) == 1
