"""Webhooks as stores in the field send them: odd lines, partial refunds, other topics, tests, and old API versions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.console_forms import client_in
from tests.support.database import rows
from tests.support.deliveries import BUYER, WOO_SECRET, connected, shopify, shopify_order, woo, woo_order
from tests.support.emails import emails
from tests.support.fake_stores import FakeWoo
from tests.support.http_server import HERE, gives
from tests.support.packs import ROOT
from widget.actions.shops.connect_store import connect_store
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.services import Services
from widget.storage.orders import Order
from widget.storage.webhook_deliveries import WebhookDelivery

REAL = ROOT / "tests" / "payloads" / "real-world"
DELIVERIES = "/console/shops/demo/orders/deliveries"


def sample(name: str) -> Any:
    return json.loads((REAL / f"{name}.json").read_text())


def only(services: Services, table: type) -> Any:
    [row] = rows(services, table)
    return row


def ours(order: dict[str, Any], *, days: int = 0) -> dict[str, Any]:
    """Return a sample order with the times of today, so that its emails are planned."""
    now = datetime.now(UTC) - timedelta(days=days)
    times = {name: now.strftime("%Y-%m-%dT%H:%M:%S") for name in order if name.endswith("_gmt")}
    return {**order, **times}


@pytest.fixture
def store() -> Iterator[FakeWoo]:
    made = FakeWoo()
    yield made
    made.close()


@pytest.fixture
def with_api(services: Services, store: FakeWoo) -> Services:
    """Return the services of a shop that is connected with WooCommerce and its API."""
    connect_store(
        services, shop="demo", platform="woocommerce", secret=WOO_SECRET, address=store.root, key=store.key, limits=HERE
    )
    return services


def test_fractional_quantity_is_kept_as_a_decimal(services: Services) -> None:
    woo(connected(services), "order.updated", ours(sample("woo-order-fractional-quantity")))
    process_webhooks(services)

    order = only(services, Order)
    assert [(line["sku"], line["quantity"]) for line in order.lines] == [("CREAM-60", 1), ("BAND-M", "1.5")]
    assert emails(services)["how-to-use"].state == "planned"


@pytest.mark.parametrize(
    "odd",
    [
        {"quantity": None},
        {"quantity": "two"},
        {"quantity": -1},
        {"quantity": [1]},
        {"sku": None},
        {"sku": {"a": 1}},
        {"sku": "A\x00B"},
        {"price": None},
        {"price": "free"},
        {"price": {}},
        {"id": None},
        {"name": ["x"]},
    ],
)
@pytest.mark.parametrize("platform", ["woocommerce", "shopify"])
def test_odd_line_does_not_lose_the_order(sqlite_services: Services, platform: str, odd: dict[str, Any]) -> None:
    services = connected(sqlite_services)
    good = {"id": 1, "sku": "ROLL-75", "name": "Roll-On", "title": "Roll-On", "quantity": 1, "price": "28.00"}
    lines = [good, {**good, "id": 2, **odd}, "not a line"]
    if platform == "shopify":
        shopify(services, "orders/create", shopify_order(line_items=lines))
    else:
        woo(services, "order.created", woo_order(line_items=lines))
    process_webhooks(services)

    assert only(services, WebhookDelivery).state == "done"
    assert only(services, Order).lines[0]["sku"] == "ROLL-75"
    assert emails(services)["how-to-use"].state == "planned"


def refund(line: int, quantity: int, total: str) -> dict[str, Any]:
    taken = {"id": 900, "quantity": quantity, "total": total}
    return {
        "id": 77,
        "date_created_gmt": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        "amount": "24.90",
        "line_items": [{**taken, "meta_data": [{"id": 1, "key": "_refunded_item_id", "value": str(line)}]}],
    }


@pytest.mark.parametrize(("quantity", "total"), [(-1, "-24.90"), (0, "-24.90")])
def test_refunded_line_is_fetched_and_gets_no_email(
    with_api: Services, store: FakeWoo, quantity: int, total: str
) -> None:
    store.refunds["503"] = [refund(1, quantity, total)]
    woo(with_api, "order.updated", ours(sample("woo-order-one-line-refunded")))
    process_webhooks(with_api, limits=HERE)

    order = only(with_api, Order)
    assert (order.refunded, order.refunds["77"]["lines"], order.refunded_at) == (2490, {"1": 1}, None)
    planned = [email for email in emails(with_api).values() if email.state == "planned"]
    assert planned
    assert "CREAM-60" not in json.dumps([email.history for email in planned])


def test_partly_refunded_amount_takes_no_line_back(with_api: Services, store: FakeWoo) -> None:
    store.refunds["503"] = [refund(1, 0, "-5.00")]
    woo(with_api, "order.updated", ours(sample("woo-order-one-line-refunded")))
    process_webhooks(with_api, limits=HERE)

    assert only(with_api, Order).refunds["77"]["lines"] == {"1": 0}


def test_order_waits_while_the_api_fails_and_is_not_lost(with_api: Services, store: FakeWoo) -> None:
    store.refunds["503"] = [refund(1, -1, "-24.90")]
    store.trouble = [gives(b"{}", 500), gives(b"{}", 429)]
    woo(with_api, "order.updated", ours(sample("woo-order-one-line-refunded")))
    for _ in range(2):
        process_webhooks(with_api, limits=HERE)
        assert rows(with_api, Order) == []
        with_api.clock.move_to(with_api.now() + timedelta(hours=1))
    process_webhooks(with_api, limits=HERE)

    assert only(with_api, Order).refunds["77"]["lines"] == {"1": 1}


def test_order_is_recorded_without_lines_if_the_api_never_answers(with_api: Services, store: FakeWoo) -> None:
    store.trouble = [gives(b"{}", 500)] * 50
    woo(with_api, "order.updated", ours(sample("woo-order-one-line-refunded")))
    for _ in range(6):
        process_webhooks(with_api, limits=HERE)
        with_api.clock.move_to(with_api.now() + timedelta(hours=1))

    assert only(with_api, Order).refunded == 2490
    assert len(store.trouble) == 45


def test_one_failing_api_delays_a_run_only_once(with_api: Services, store: FakeWoo) -> None:
    store.trouble = [gives(b"{}", 500)] * 50
    for number in range(3):
        woo(with_api, "order.updated", {**ours(sample("woo-order-one-line-refunded")), "id": 600 + number})
    process_webhooks(with_api, limits=HERE)

    assert len(store.trouble) == 49


def test_later_report_without_lines_does_not_forget_the_refunded_line(with_api: Services, store: FakeWoo) -> None:
    store.refunds["503"] = [refund(1, -1, "-24.90")]
    order = ours(sample("woo-order-one-line-refunded"), days=1)
    woo(with_api, "order.updated", order)
    process_webhooks(with_api, limits=HERE)
    store.trouble = [gives(b"{}", 401)]
    woo(with_api, "order.updated", {**ours(order), "note": "changed"})
    process_webhooks(with_api, limits=HERE)

    assert only(with_api, Order).refunds["77"]["lines"] == {"1": 1}


@pytest.mark.parametrize(
    ("topic", "data"),
    [
        ("orders/edited", sample("shopify-orders-edited")),
        ("orders/risk_assessment_changed", {"order_id": 1}),
        ("carts/update", {"id": "1"}),
        ("refunds/create", sample("shopify-test-refunds-create")),
        ("orders/create", shopify_order(820982911946154508, test=True)),
    ],
)
def test_unknown_topics_and_test_notifications_are_shown_as_ignored(services: Services, topic: str, data: Any) -> None:
    shopify(connected(services), topic, data)
    process_webhooks(services)

    delivery = only(services, WebhookDelivery)
    assert (delivery.state, delivery.body) == ("ignored", b"")
    assert rows(services, Order) == []
    client = client_in(services)
    assert delivery.error in client.get(DELIVERIES).text.replace("&#39;", "'")
    assert "failed</span>" not in client.get(DELIVERIES).text
    assert "ignored" in client.get(f"{DELIVERIES}?state=ignored").text
    assert "Ignored" in client.get(f"{DELIVERIES}/{delivery.id}").text


def test_unknown_woocommerce_topic_is_shown_as_ignored(services: Services) -> None:
    woo(connected(services), "coupon.created", {"id": 1, "code": "TEN"})
    process_webhooks(services)

    assert only(services, WebhookDelivery).state == "ignored"


def legacy() -> dict[str, Any]:
    return {"order": {"id": 1, "order_number": 1, "line_items": []}}


def version_one() -> dict[str, Any]:
    order = woo_order()
    return {**{name: value for name, value in order.items() if not name.endswith("_gmt")}, "date_created": "2026-11-20"}


def linked(version: str) -> dict[str, Any]:
    """Return an order with the links that WooCommerce adds: nothing else tells version 2 from 3."""
    return {**woo_order(), "_links": {"self": [{"href": f"https://store.example/wp-json/wc/{version}/orders/7"}]}}


def test_order_of_the_current_api_version_is_accepted(services: Services) -> None:
    woo(connected(services), "order.created", linked("v3"))
    process_webhooks(services)

    assert only(services, WebhookDelivery).state == "done"


@pytest.mark.parametrize("data", [legacy(), version_one(), linked("v2")])
def test_old_api_version_is_refused_with_the_setting_to_change(services: Services, data: dict[str, Any]) -> None:
    woo(connected(services), "order.created", data)
    process_webhooks(services)

    delivery = only(services, WebhookDelivery)
    assert delivery.state == "failed"
    assert "WP REST API Integration v3" in client_in(services).get(DELIVERIES).text
    assert BUYER not in delivery.error
