"""Catalog imports from the API of a store platform: variants with price and stock, paginated, all or nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.database import rows
from tests.support.deliveries import shopify
from tests.support.fake_stores import FakeShopify, FakeStore, FakeWoo
from tests.support.http_server import HERE, gives
from widget.actions.accounts.add_user import add_user
from widget.actions.catalog.change_feed import BadFeedAddress, change_feed
from widget.actions.catalog.import_due_feeds import import_due_feeds
from widget.actions.shops.connect_store import connect_store
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.domain.roles import OWNER
from widget.services import Services
from widget.storage.catalog import StoredProduct
from widget.storage.feeds import Feed


@pytest.fixture(params=[FakeShopify, FakeWoo])
def store(request: pytest.FixtureRequest) -> Iterator[FakeStore]:
    made: FakeStore = request.param(page=1)
    yield made
    made.close()


def platform(store: FakeStore) -> str:
    return "shopify" if isinstance(store, FakeShopify) else "woocommerce"


def connected(services: Services, store: FakeStore) -> None:
    secret = "a secret of the test store"
    connect_store(
        services, shop="demo", platform=platform(store), secret=secret, address=store.root, key=store.key, limits=HERE
    )
    by, _ = add_user(services, shop="demo", email="owner@demo.example", role=OWNER)
    change_feed(services, shop="demo", address=f"api:{platform(store)}", by=by)


def put(store: FakeStore, sku: str, price: str, stock: int, number: int) -> None:
    if isinstance(store, FakeShopify):
        variant = {"id": number * 10, "sku": sku, "price": price, "title": "Default Title"}
        counted = {"inventory_management": "shopify", "inventory_policy": "deny", "inventory_quantity": stock}
        product = {"id": number, "title": f"Store {sku}", "handle": sku.lower(), "variants": [{**variant, **counted}]}
    else:
        state = "instock" if stock else "outofstock"
        simple = {"id": number, "name": f"Store {sku}", "sku": sku, "price": price, "stock_status": state}
        product = {**simple, "type": "simple", "permalink": f"https://legs.example/{sku.lower()}/", "images": []}
    store.products.append(product)


def run(services: Services) -> Feed:
    import_due_feeds(services, limits=HERE)
    return rows(services, Feed)[0]


def stored(services: Services) -> dict[str, dict[str, Any]]:
    return {
        stored_product.sku: stored_product.feed
        for stored_product in rows(services, StoredProduct)
        if stored_product.feed
    }


def test_price_and_stock_of_every_page_reach_the_catalog(services: Services, store: FakeStore) -> None:
    put(store, "CREAM-60", "31.50", 4, 1)
    put(store, "ROLL-75", "28.00", 0, 2)
    connected(services, store)
    report = run(services)

    assert (report.outcome, report.matched, report.error) == ("done", 2, "")
    assert (stored(services)["CREAM-60"]["price"], stored(services)["ROLL-75"]["stock"]) == (3150, 0)
    assert stored(services)["CREAM-60"]["product_id"] == "1"


def test_woocommerce_variations_are_imported_as_products(services: Services) -> None:
    store = FakeWoo(page=1)
    variation = {"id": 91, "sku": "CREAM-60", "price": "30.00", "stock_status": "instock", "image": None}
    other = {"id": 92, "sku": "ROLL-75", "price": "20.00", "stock_status": "onbackorder"}
    product = {"id": 9, "name": "Both", "type": "variable", "sku": "", "of_variations": [variation, other]}
    store.products.append(product)
    connected(services, store)
    run(services)
    store.close()

    assert stored(services)["CREAM-60"]["variant_id"] == "91"
    assert stored(services)["ROLL-75"].get("stock") is None


@pytest.mark.parametrize(
    "answer", [gives(b"{}", 500), gives(b'{"products": 1}'), gives(b"<html>", 200), gives(b"", 401)]
)
def test_failed_catalog_page_changes_nothing(services: Services, store: FakeStore, answer: Any) -> None:
    put(store, "CREAM-60", "31.50", 4, 1)
    connected(services, store)
    store.trouble = [answer]
    report = run(services)

    assert report.outcome == "failed"
    assert report.error.startswith("Nothing was changed")
    assert stored(services) == {}


def test_product_update_webhook_makes_the_catalog_import_due_sooner(services: Services) -> None:
    store = FakeShopify(page=5)
    put(store, "CREAM-60", "31.50", 4, 1)
    connected(services, store)
    before = run(services)
    connect_store(services, shop="demo", platform="shopify", secret="shpss_constructed_test_secret")
    shopify(services, "products/update", {"id": 1})
    process_webhooks(services)
    after = rows(services, Feed)[0]
    store.close()

    assert before.due_at is not None
    assert after.due_at is not None
    assert after.due_at < before.due_at
    assert after.state == "waiting"


def test_catalog_feed_without_an_api_key_is_rejected(sqlite_services: Services) -> None:
    by, _ = add_user(sqlite_services, shop="demo", email="owner@demo.example", role=OWNER)
    for address in ("api:shopify", "api:magento", "api:"):
        with pytest.raises(BadFeedAddress):
            change_feed(sqlite_services, shop="demo", address=address, by=by)
    assert rows(sqlite_services, Feed) == []
