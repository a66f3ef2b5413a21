"""Shopify's GraphQL Admin API: our queries fit its schema and its cost limit, and read what webhooks would report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial

import pytest
from graphql import FieldNode, IntValueNode, OperationDefinitionNode, SelectionSetNode, parse, validate

from tests.support.console_forms import client_in
from tests.support.database import rows
from tests.support.deliveries import SHOPIFY_SECRET, shopify_order, shopify_refund
from tests.support.fake_stores import FakeShopify
from tests.support.http_server import HERE, gives
from tests.support.shopify_graphql import SCHEMA
from widget.actions.orders.reconcile_orders import reconcile_orders
from widget.actions.shops.connect_store import connect_store
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.services import Services
from widget.storage.connections import Connection
from widget.storage.orders import Order
from widget.storage.webhook_deliveries import WebhookDelivery
from widget.stores import shopify_api
from widget.stores.api_call import call
from widget.stores.shopify import order_event
from widget.stores.shopify_api import SUPPORTED_UNTIL, shopify_catalog, shopify_orders, version_notice

QUERIES = {name: getattr(shopify_api, name) for name in ("_ORDERS", "_MORE_LINES", "_PRODUCTS", "_MORE_VARIANTS")}
SINCE = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
def store() -> Iterator[FakeShopify]:
    made = FakeShopify()
    yield made
    made.close()


ask = partial(call, limits=HERE)


def cost(selected: SelectionSetNode | None) -> int:
    """Return what a selection may cost: an object 1, a connection 2 and its nodes, times the first argument."""
    total = 0
    for field in selected.selections if selected else ():
        assert isinstance(field, FieldNode)
        if field.selection_set is None:
            continue
        first = [item.value for item in field.arguments or () if item.name.value == "first"]
        inner = cost(field.selection_set)
        if first and isinstance(first[0], IntValueNode):
            total += 2 + int(first[0].value) * max(1, inner)
        else:
            total += 1 + inner
    return total


@pytest.mark.parametrize("name", QUERIES)
def test_query_fits_the_schema_and_the_cost_limit(name: str) -> None:
    document = parse(QUERIES[name])
    [operation] = document.definitions

    assert validate(SCHEMA, document) == []
    assert isinstance(operation, OperationDefinitionNode)
    assert cost(operation.selection_set) <= 1000


def test_order_reads_as_its_webhook_would(store: FakeShopify) -> None:
    order = shopify_order(
        note_attributes=[{"name": "recovery_quiz", "value": "v" * 22}],
        fulfillment_status="fulfilled",
        fulfillments=[
            {"created_at": SINCE.isoformat(), "updated_at": SINCE.isoformat(), "shipment_status": "delivered"}
        ],
        financial_status="partially_refunded",
    )
    order["refunds"] = [shopify_refund(order["id"])]
    store.orders = [order]
    [[found]] = list(shopify_orders(store.root, store.key, SINCE, ask))
    by_api, by_webhook = order_event(found), order_event({**order, "processed_at": order["created_at"]})

    assert by_api.moments == by_webhook.moments
    assert by_api.refunds == by_webhook.refunds
    assert (by_api.email, by_api.total, by_api.visit) == (by_webhook.email, by_webhook.total, by_webhook.visit)
    assert (by_api.accepts_marketing, by_api.external_id) == (True, by_webhook.external_id)
    assert [(line.line_id, line.sku, line.quantity, line.price) for line in by_api.lines] == [
        (line.line_id, line.sku, line.quantity, line.price) for line in by_webhook.lines
    ]


def test_all_lines_and_variants_are_read_page_by_page(store: FakeShopify) -> None:
    lines = [{"id": number, "sku": f"S{number}", "title": "T", "quantity": 1, "price": "1.00"} for number in range(7)]
    counted = {"inventory_management": "shopify", "inventory_policy": "deny", "inventory_quantity": 1}
    variants = [{"id": number, "sku": f"V{number}", "title": "T", "price": "1.00", **counted} for number in range(5)]
    store.orders = [shopify_order(1, line_items=lines)]
    store.products = [{"id": 9, "title": "Cream", "handle": "cream", "variants": variants}]
    [[order]] = list(shopify_orders(store.root, store.key, SINCE, ask))
    [[product]] = list(shopify_catalog(store.root, store.key, ask))

    assert [line["sku"] for line in order["line_items"]] == [f"S{number}" for number in range(7)]
    assert [variant["sku"] for variant in product["variants"]] == [f"V{number}" for number in range(5)]


def connected(services: Services, store: FakeShopify, key: str) -> Connection:
    connect_store(
        services, shop="demo", platform="shopify", secret=SHOPIFY_SECRET, address=store.root, key=key, limits=HERE
    )
    store.orders.append(shopify_order(1))
    reconcile_orders(services, limits=HERE, sleep=lambda seconds: None)
    process_webhooks(services)
    return next(iter(rows(services, Connection)))


def test_client_credentials_are_exchanged_for_an_expiring_token(services: Services, store: FakeShopify) -> None:
    connection = connected(services, store, store.credentials)

    assert (connection.error, store.tokens) == ("", 1)
    assert [order.external_id for order in rows(services, Order)] == ["1"]


def test_wrong_client_credentials_are_reported_without_revealing_them(services: Services, store: FakeShopify) -> None:
    connection = connected(services, store, "client_of_the_test:wrong_secret")

    assert "invalid" in connection.error
    assert "wrong" not in connection.error


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            b'{"errors": [{"message": "no", "extensions": {"code": "ACCESS_DENIED"}}]}',
            "lacks a permission: read_orders",
        ),
        (b'{"errors": [{"message": "no", "extensions": {"code": "MAX_COST_EXCEEDED"}}]}', "MAX_COST_EXCEEDED"),
        (b'{"errors": "no"}', "refused the query"),
        (b'{"data": {"orders": {"nodes": 1}}}', "contains no list"),
        (b'{"data": {"orders": {"nodes": [], "pageInfo": {"hasNextPage": true}}}}', "names no next page"),
        (b"[]", "contains no data"),
    ],
)
def test_error_of_the_api_is_shown_and_loses_nothing(
    services: Services, store: FakeShopify, answer: bytes, message: str
) -> None:
    store.trouble = [gives(answer)]
    connection = connected(services, store, store.key)

    assert message in connection.error
    assert rows(services, WebhookDelivery) == []
    assert connection.due_at is not None


def test_throttled_query_waits_until_its_cost_is_available(services: Services, store: FakeShopify) -> None:
    cost = {"requestedQueryCost": 900, "throttleStatus": {"currentlyAvailable": 600.0, "restoreRate": 100.0}}
    body = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}], "extensions": {"cost": cost}}

    store.trouble = [gives(json.dumps(body).encode())]
    store.orders.append(shopify_order(1))
    connect_store(
        services, shop="demo", platform="shopify", secret=SHOPIFY_SECRET, address=store.root, key=store.key, limits=HERE
    )
    waited: list[float] = []
    reconcile_orders(services, limits=HERE, sleep=waited.append)

    assert waited == [3.0]
    assert len(rows(services, WebhookDelivery)) == 1


def test_end_of_the_api_version_is_announced_in_time(services: Services, store: FakeShopify) -> None:
    assert version_notice(SUPPORTED_UNTIL - timedelta(days=200)) == ""
    assert "until Oct 1, 2027" in version_notice(SUPPORTED_UNTIL - timedelta(days=90))

    connected(services, store, store.key)
    client = client_in(services)
    page = "/console/shops/demo/settings/connections"
    assert "Update Recovery Quiz" not in client.get(page).text
    services.clock.move_to(datetime.combine(date(2027, 9, 1), datetime.min.time(), UTC))
    assert "Update Recovery Quiz" in client_in(services, email="later@demo.example").get(page).text
