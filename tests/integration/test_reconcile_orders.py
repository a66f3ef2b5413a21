"""Reconciling orders with a store's API despite missed webhooks, throttling, outages, and changing pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.database import rows
from tests.support.deliveries import BUYER, SHOPIFY_SECRET, shopify, shopify_order, woo_order
from tests.support.emails import emails, go_to, sent
from tests.support.fake_stores import FakeShopify, FakeStore, FakeWoo
from tests.support.http_server import HERE, gives
from widget.actions.emails.send_email import send_due_emails
from widget.actions.orders.reconcile_orders import EVERY, reconcile_orders
from widget.actions.shops.connect_store import connect_store
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.services import Services
from widget.storage.connections import Connection
from widget.storage.orders import Order
from widget.storage.webhook_deliveries import WebhookDelivery


@pytest.fixture(params=[FakeShopify, FakeWoo])
def store(request: pytest.FixtureRequest) -> Iterator[FakeStore]:
    made: FakeStore = request.param()
    yield made
    made.close()


def connected(services: Services, store: FakeStore, key: str = "") -> None:
    platform = "shopify" if isinstance(store, FakeShopify) else "woocommerce"
    connect_store(
        services,
        shop="demo",
        platform=platform,
        secret=SHOPIFY_SECRET,
        address=store.root,
        key=key or store.key,
        limits=HERE,
    )


def order(store: FakeStore, number: int, *, minutes_ago: float = 1, **change: Any) -> None:
    at = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    if isinstance(store, FakeShopify):
        store.orders.append(shopify_order(number, created_at=at.isoformat(), updated_at=at.isoformat(), **change))
    else:
        outcome = at.strftime("%Y-%m-%dT%H:%M:%S")
        store.orders.append(woo_order(number, date_created_gmt=outcome, date_modified_gmt=outcome, **change))


def look(services: Services, waited: list[float] | None = None) -> int:
    found = reconcile_orders(services, limits=HERE, sleep=(waited if waited is not None else []).append)
    while process_webhooks(services):
        pass
    return found


def known(services: Services) -> list[str]:
    return sorted(order.external_id for order in rows(services, Order))


def connection(services: Services) -> Connection:
    return rows(services, Connection)[0]


def test_reconcile_follows_pages_and_plans_emails(services: Services, store: FakeStore) -> None:
    for number in range(1, 6):
        order(store, number)
    connected(services, store)

    assert look(services) == 5
    assert known(services) == ["1", "2", "3", "4", "5"]
    assert connection(services).error == ""
    go_to(services, "how-to-use")
    send_due_emails(services)
    assert len(sent(services)) == 1  # A person gets one email at a time.


def test_reconcile_skips_orders_received_by_webhook(services: Services, store: FakeStore) -> None:
    if isinstance(store, FakeWoo):
        store.close()
        store = FakeShopify()
    order(store, 7)
    connected(services, store)
    shopify(services, "orders/create", store.orders[0])
    process_webhooks(services)

    assert look(services) == 0
    assert len(rows(services, WebhookDelivery)) == len(rows(services, Order)) == 1


def test_reconcile_runs_again_within_fifteen_minutes(services: Services, store: FakeStore) -> None:
    connected(services, store)
    look(services)
    order(store, 1, minutes_ago=0)

    assert look(services) == 0
    assert timedelta(minutes=15) > EVERY
    services.clock.move_to(services.now() + EVERY)
    assert look(services) == 1


def test_reconcile_waits_out_throttling(services: Services, store: FakeStore) -> None:
    order(store, 1)
    store.trouble = [gives(b"{}", 429, Retry_After="3.0"), gives(b"{}", 503), gives(b"{}", 429, Retry_After="soon")]
    connected(services, store)
    waited: list[float] = []

    assert look(services, waited) == 1
    assert waited == [3.0, 2.0, 2.0]


@pytest.mark.parametrize(
    "answer",
    [
        gives(b"{}", 500),
        gives(b"<html>maintenance</html>"),
        gives(b'{"orders": "none"}'),
        gives(b"", 302, Location="http://169.254.169.254/"),
    ],
)
def test_four_hour_store_outage_loses_no_order(services: Services, store: FakeStore, answer: Any) -> None:
    connected(services, store)
    look(services)
    order(store, 1, minutes_ago=0)
    for _ in range(4):
        services.clock.move_to(services.now() + timedelta(hours=1))
        store.trouble = [answer]
        assert look(services) == 0
        assert connection(services).error
    services.clock.move_to(services.now() + timedelta(hours=1))

    assert look(services) == 1
    assert connection(services).error == ""
    assert known(services) == ["1"]


def test_four_hour_worker_outage_loses_no_order(services: Services, store: FakeStore) -> None:
    connected(services, store)
    look(services)
    for number in range(1, 6):
        order(store, number, minutes_ago=0)
    services.clock.move_to(services.now() + timedelta(hours=4))  # No worker ran in the meantime.

    assert look(services) == 5


def test_orders_of_a_failed_page_are_found_by_the_next_reconcile(services: Services, store: FakeStore) -> None:
    for number in range(1, 6):
        order(store, number)
    connected(services, store)
    say, asked = store.store.handlers.say, []  # type: ignore[attr-defined]  # An attribute of the fake store.

    def once_broken(handler: Any) -> None:
        asked.append(handler.path)
        gives(b"{}", 500)(handler) if len(asked) == 2 else say(handler)

    store.store.handlers.say = once_broken  # type: ignore[attr-defined]  # An attribute of the fake store.
    assert look(services) == 2
    services.clock.move_to(services.now() + timedelta(minutes=5))

    assert look(services) == 3
    assert known(services) == ["1", "2", "3", "4", "5"]


def test_invalid_api_key_is_reported_without_revealing_it(services: Services, store: FakeStore) -> None:
    connected(services, store, key="ck_wrong:cs_wrong")
    look(services)

    assert "the API key is invalid" in connection(services).error
    assert "wrong" not in connection(services).error


def test_malformed_order_does_not_block_other_orders(services: Services, store: FakeStore) -> None:
    order(store, 1)
    if isinstance(store, FakeWoo):  # GraphQL has types: there, a value can only be unusable.
        order(store, 2, line_items="none")
    order(store, 3, total_price="x", total="x")
    order(store, 4, email=None, customer=None, billing=None)
    connected(services, store)
    look(services)

    assert {"1", "4"} <= set(known(services))
    assert {webhook_delivery.state for webhook_delivery in rows(services, WebhookDelivery)} == {"done", "failed"}


def test_refund_found_by_reconcile_stops_the_email(services: Services, store: FakeStore) -> None:
    order(store, 1, minutes_ago=3)
    connected(services, store)
    look(services)
    store.orders.clear()
    order(store, 1, minutes_ago=0, financial_status="refunded", status="refunded")
    services.clock.move_to(services.now() + EVERY)
    look(services)
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert emails(services)["how-to-use"].reason == "order_refunded"
    assert BUYER not in str(sent(services))


def test_long_retry_after_postpones_the_next_reconcile(services: Services, store: FakeStore) -> None:
    order(store, 1)
    store.trouble = [gives(b"{}", 503, Retry_After="600")]
    connected(services, store)
    waited: list[float] = []

    assert look(services, waited) == 0
    assert waited == []
    due = connection(services).due_at
    assert due is not None
    assert due - services.now() > timedelta(minutes=9)
    services.clock.move_to(due)
    assert look(services) == 1


def test_order_changed_during_pagination_hides_no_other_order(services: Services) -> None:
    store = FakeWoo()
    for number in range(1, 8):
        order(store, number, minutes_ago=10 - number)
    connected(services, store)
    say, asked = store.store.handlers.say, []  # type: ignore[attr-defined]  # An attribute of the fake store.

    def moving(handler: Any) -> None:
        asked.append(handler.path)
        if len(asked) == 2:
            store.orders[0]["date_modified_gmt"] = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        say(handler)

    store.store.handlers.say = moving  # type: ignore[attr-defined]  # An attribute of the fake store.
    look(services)
    store.close()

    assert known(services) == [str(number) for number in range(1, 8)]


def test_reconcile_handles_more_orders_of_one_second_than_a_page_holds(services: Services) -> None:
    store = FakeWoo()
    for number in range(1, 6):
        order(store, number, minutes_ago=3)
    order(store, 6, minutes_ago=1)
    for item in store.orders[:5]:
        item["date_modified_gmt"] = store.orders[0]["date_modified_gmt"]
    connected(services, store)
    look(services)
    store.close()

    assert known(services) == ["1", "2", "3", "4", "5", "6"]


def test_reconcile_finishes_over_several_throttled_runs(services: Services) -> None:
    store = FakeWoo()
    for number in range(1, 9):
        order(store, number, minutes_ago=400 - number * 30)
    connected(services, store)
    say, left = store.store.handlers.say, [0]  # type: ignore[attr-defined]  # An attribute of the fake store.

    def stingy(handler: Any) -> None:
        left[0] -= 1
        say(handler) if left[0] >= 0 else gives(b"{}", 429, Retry_After="60")(handler)

    store.store.handlers.say = stingy  # type: ignore[attr-defined]  # An attribute of the fake store.
    for _ in range(8):
        left[0] = 2
        look(services)
        services.clock.move_to(services.now() + timedelta(minutes=3))
    store.close()

    assert known(services) == [str(number) for number in range(1, 9)]


def test_store_that_ignores_modified_after_is_reported(services: Services) -> None:
    store = FakeWoo()
    for number in range(1, 6):
        order(store, number, minutes_ago=60 * 24 * 30 + number)
    connected(services, store)
    answer, asked = store.answer, []  # type: ignore[var-annotated]  # A list of paths.

    def heedless(handler: Any, path: str, wanted: dict[str, str]) -> None:
        asked.append(path)
        answer(handler, path, {**wanted, "modified_after": "2000-01-01T00:00:00Z"})

    store.answer = heedless  # type: ignore[method-assign]  # Simulates a store that ignores the filter.
    look(services)
    store.close()

    assert "modified_after" in connection(services).error
    assert len(asked) == 1
