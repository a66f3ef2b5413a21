"""Behind a real PgBouncer in transaction mode: connections change from one transaction to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from tests.support.database import PostgresCopies, rows
from tests.support.emails import emails, go_to, sent
from tests.support.orders import webhook
from tests.support.pgbouncer import pgbouncer
from widget.actions.emails.send_email import send_due_emails
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.services import Services
from widget.storage.dump import DumpError, dump_database
from widget.storage.migrate import drift, upgrade
from widget.storage.orders import Order
from widget.storage.running_alone import running_alone


@pytest.fixture
def pooled(postgres_copies: PostgresCopies, make_services: Callable[..., Services]) -> Iterator[Services]:
    with postgres_copies.one() as url, pgbouncer(url) as through:
        services = make_services(through)
        yield services
        services.close()


def test_orders_and_emails_work_on_connections_that_change(pooled: Services) -> None:
    """Each statement runs often enough to be prepared, on more connections than the pooler has."""

    def deliver(number: int) -> None:
        webhook(pooled, order=str(number), email=f"runner{number}@shop.example")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(deliver, range(40)))
    process_webhooks(pooled)
    go_to(pooled, "how-to-use")
    send_due_emails(pooled)

    assert len(rows(pooled, Order)) == 40
    assert len(sent(pooled)) == 40
    assert emails(pooled)["how-to-use"].state == "sent"


def test_time_limits_hold_in_each_transaction(pooled: Services) -> None:
    with pooled.reads() as session:
        limits = [session.scalar(text(f"SHOW {name}")) for name in ("statement_timeout", "lock_timeout")]

    assert limits == ["15s", "8s"]


def test_migrations_and_single_jobs_work_and_backups_ask_for_a_direct_connection(pooled: Services) -> None:
    upgrade(pooled.database)
    assert drift(pooled.database) == []
    with running_alone(pooled.database, "purge_expired") as alone:
        assert alone
    with pytest.raises(DumpError, match="direct connection"):
        dump_database(pooled.database, pooled.settings.home / "never")
