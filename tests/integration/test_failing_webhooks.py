"""Permanently failing webhook deliveries: they do not block others, are given up eventually, and can be replayed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

import widget.actions.webhooks.process_webhooks as handling
from tests.support.console_forms import client_in, post
from tests.support.database import rows
from tests.support.orders import webhook
from widget.actions.webhooks.process_webhooks import BATCH, MAX_ATTEMPTS, process_webhooks
from widget.services import Services
from widget.storage.orders import Order
from widget.storage.webhook_deliveries import WebhookDelivery


@pytest.fixture
def poisoned(services: Services, monkeypatch: pytest.MonkeyPatch) -> Services:
    """Store a full batch of deliveries that always raise a database error, followed by a good one."""
    for number in range(BATCH):
        webhook(services, order=f"poison-{number}")
    webhook(services, order="good")
    original = handling.record_order

    def record(services: Services, session: Any, shop: Any, event: Any) -> None:
        if event.external_id.startswith("poison"):
            raise OperationalError("INSERT", None, Exception("for good"))
        original(services, session, shop, event)

    monkeypatch.setattr(handling, "record_order", record)
    return services


def states(services: Services) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows(services, WebhookDelivery):
        found[row.state] = found.get(row.state, 0) + 1
    return found


def test_batch_of_failing_deliveries_does_not_block_the_next_delivery(poisoned: Services) -> None:
    process_webhooks(poisoned)
    process_webhooks(poisoned)

    assert [order.external_id for order in rows(poisoned, Order)] == ["good"]
    assert states(poisoned) == {"waiting": BATCH, "done": 1}


def test_failing_delivery_is_retried_then_given_up_and_can_be_replayed(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    webhook(services, order="poison-1")
    tries: list[int] = []

    def record(*_: Any) -> None:
        tries.append(1)
        raise OperationalError("INSERT", None, Exception("for good"))

    with monkeypatch.context() as patched:
        patched.setattr(handling, "record_order", record)
        for _ in range(MAX_ATTEMPTS * 2):
            process_webhooks(services)
            process_webhooks(services)  # An immediate second run does nothing.
            services.clock.move_to(services.now() + timedelta(hours=1, minutes=1))
    (failed,) = rows(services, WebhookDelivery)

    assert len(tries) == MAX_ATTEMPTS
    assert (failed.state, failed.attempts) == ("failed", MAX_ATTEMPTS)
    assert "gave up after" in failed.error
    post(client_in(services), f"/console/shops/demo/orders/deliveries/{failed.id}/replay")
    process_webhooks(services)
    assert [order.external_id for order in rows(services, Order)] == ["poison-1"]


def test_adding_a_shop_concurrently_succeeds_once(services: Services) -> None:
    import threading

    from widget.actions.shops.add_shop import BadShop, add_shop

    outcome, barrier = [], threading.Barrier(4)

    def add() -> None:
        barrier.wait()
        try:
            add_shop(services, "twice", name="Twice")
            outcome.append("added")
        except BadShop as error:
            outcome.append(str(error))

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcome) == [*["a shop with the ID 'twice' already exists"] * 3, "added"]
