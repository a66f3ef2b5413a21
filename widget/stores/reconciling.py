"""Orders changed since a moment, page by page, from a store's API, to find those that no webhook delivered.

Shopify's are in ``shopify_api``. Source: WooCommerce REST API v3, "List all orders" (``modified_after`` with
``dates_are_gmt``, ``per_page`` up to 100, ``X-WP-TotalPages``; key and secret by HTTP Basic).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from widget.stores.api_call import Caller, woo_login
from widget.stores.fetching import NotFetched

WOO_PAGE = 100
MAX_PAGES = 1000


def woocommerce_orders(address: str, key: str, since: datetime, call: Caller) -> Iterator[list[dict[str, Any]]]:
    """Yield pages of orders changed since a moment. Raises NotFetched, Throttled.

    Every page is requested from the last change on. With page numbers, an order that changes in the meantime would move
    all others up, and the first one of the next page would be missed.
    """
    page = 1
    for _ in range(MAX_PAGES):
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
        if not orders or (len(orders) < WOO_PAGE and not (pages.isdigit() and page < int(pages))):
            return
        last = _changed(orders[-1]) - timedelta(seconds=1)
        if last + timedelta(seconds=1) < since - timedelta(seconds=1):
            raise NotFetched("the store's API ignores modified_after: WooCommerce 5.8 or later is required")
        since, page = (last, 1) if last > since else (since, page + 1)  # One moment has more orders than a page.
    raise NotFetched("the store has more changed orders than one reconciliation can process")


def _changed(order: dict[str, Any]) -> datetime:
    try:
        found = datetime.fromisoformat(str(order.get("date_modified_gmt")))
    except ValueError as error:
        raise NotFetched("the store's response does not state when orders changed") from error
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _listed(value: Any) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise NotFetched("the store's response contains no list of orders")
    return value
