"""Webhook deliveries that raise for good: they do not hold up the others, are given up in the end, and can be replayed."""

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
    """As many deliveries as one batch takes that raise a database error each time, and a good one behind them."""
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


def test_a_hundred_that_fail_do_not_hold_up_the_next_one(poisoned: Services) -> None:
    process_webhooks(poisoned)
    process_webhooks(poisoned)

    assert [order.external_id for order in rows(poisoned, Order)] == ["good"]
    assert states(poisoned) == {"waiting": BATCH, "done": 1}


def test_it_is_tried_less_and_less_often_then_given_up_and_replayed(
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
            process_webhooks(services)  # At once again: nothing happens.
            services.clock.move_to(services.now() + timedelta(hours=1, minutes=1))
    (failed,) = rows(services, WebhookDelivery)

    assert len(tries) == MAX_ATTEMPTS
    assert (failed.state, failed.attempts) == ("failed", MAX_ATTEMPTS)
    assert "gave up after" in failed.error
    post(client_in(services), f"/console/shops/demo/orders/deliveries/{failed.id}/replay")
    process_webhooks(services)
    assert [order.external_id for order in rows(services, Order)] == ["poison-1"]


def test_adding_a_shop_twice_at_once_is_told(services: Services) -> None:
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

    assert sorted(outcome) == ["added", *["there is a shop 'twice' already"] * 3]
