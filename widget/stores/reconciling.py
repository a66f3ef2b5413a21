"""Orders that changed since a moment, page by page, from a store's API: what no hook may have brought.

Sources: Shopify Admin REST API, "Order" (``updated_at_min``, ``status=any``, ``limit`` up to 250, the next page in the
``Link`` header, 429 with ``Retry-After``); WooCommerce REST API v3, "List all orders" (``modified_after`` with
``dates_are_gmt``, ``per_page`` up to 100, ``X-WP-TotalPages``; key and secret by HTTP Basic).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from widget.domain.order import OrderEvent
from widget.stores import shopify, woocommerce
from widget.stores.api_call import Answered
from widget.stores.fetching import NotFetched
from widget.stores.platforms import SHOPIFY, WOOCOMMERCE

SHOPIFY_VERSION = "2026-10"
SHOPIFY_PAGE, WOO_PAGE = 250, 100
MOST_PAGES = 1000
Caller = Callable[[str, Mapping[str, str]], Answered]
NEXT = re.compile(r'<([^<>]+)>;\s*rel="?next"?')


def shopify_orders(address: str, key: str, since: datetime, call: Caller) -> Iterator[list[dict[str, Any]]]:
    """Pages of orders that changed since then. Raises NotFetched, Throttled."""
    asked = {"status": "any", "updated_at_min": _iso(since), "order": "updated_at asc", "limit": str(SHOPIFY_PAGE)}
    url = f"{address}/admin/api/{SHOPIFY_VERSION}/orders.json?{urlencode(asked)}"
    for _ in range(MOST_PAGES):
        answer = call(url, {"X-Shopify-Access-Token": key})
        yield _listed(answer.data.get("orders") if isinstance(answer.data, dict) else None)
        found = NEXT.search(answer.headers.get("link", ""))
        if not found:
            return
        url = found.group(1)
        if urlsplit(url)[:2] != urlsplit(address)[:2]:
            raise NotFetched("the store's next page is at another address")


def woocommerce_orders(address: str, key: str, since: datetime, call: Caller) -> Iterator[list[dict[str, Any]]]:
    """Likewise."""
    for page in range(1, MOST_PAGES + 1):
        asked = {
            "modified_after": _iso(since),
            "dates_are_gmt": "true",
            "orderby": "modified",
            "order": "asc",
            "per_page": str(WOO_PAGE),
            "page": str(page),
        }
        answer = call(f"{address}/wp-json/wc/v3/orders?{urlencode(asked)}", woo_login(key))
        orders = _listed(answer.data)
        yield orders
        pages = answer.headers.get("x-wp-totalpages", "")
        if len(orders) < WOO_PAGE and not (pages.isdigit() and page < int(pages)):
            return


def woo_login(key: str) -> dict[str, str]:
    """Consumer key and secret (``ck_…:cs_…``) by HTTP Basic, as WooCommerce takes them over https."""
    return {"Authorization": f"Basic {base64.b64encode(key.encode()).decode()}"}


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _listed(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise NotFetched("the store's answer holds no list of orders")
    return value


SOURCES = {SHOPIFY: shopify_orders, WOOCOMMERCE: woocommerce_orders}
TOPICS = {SHOPIFY: "orders/updated", WOOCOMMERCE: "order.updated"}
READERS: dict[str, Callable[[dict[str, Any]], OrderEvent]] = {
    SHOPIFY: shopify.order_event,
    WOOCOMMERCE: woocommerce.order_event,
}
