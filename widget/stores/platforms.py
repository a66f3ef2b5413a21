"""The supported store platforms, behind one protocol."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from widget.domain.catalog.cart import Address, Cart, event_cart, shopify_cart, woocommerce_cart
from widget.domain.catalog.product import Product
from widget.domain.orders.order import OrderEvent, StoreEvent
from widget.domain.orders.webhook import VerifiedWebhook
from widget.stores import shopify, standard, woocommerce
from widget.stores.api_call import Caller
from widget.stores.catalogs import woocommerce_catalog
from widget.stores.reconciling import woocommerce_orders
from widget.stores.shopify_api import shopify_catalog, shopify_orders

ORDERS, SHOPIFY, WOOCOMMERCE = "orders", "shopify", "woocommerce"
Pages = Iterator[list[dict[str, Any]]]


class Verify(Protocol):
    """Returns the delivery if one of the secrets signed it. Header names are lowercase. Raises BadSignature."""

    def __call__(
        self, headers: Mapping[str, str], body: bytes, *, known_secrets: Sequence[str], now: datetime
    ) -> VerifiedWebhook: ...


class Parse(Protocol):
    """Returns the events in a verified body, by its topic. Raises Unreadable, Ignored."""

    def __call__(self, topic: str, body: bytes, *, received_at: datetime) -> list[StoreEvent]: ...


@dataclass(frozen=True, slots=True)
class Api:
    """A store platform's API: pages of orders changed since a moment, and of the catalog in products.json format.

    ``order`` parses one of those orders; ``topic`` is the topic of a webhook delivery with such an order. ``lacks``
    returns whether the body of a delivery leaves out what ``complete`` adds to it from the API.
    """

    reconcile: Callable[[str, str, datetime, Caller], Pages]
    catalog: Callable[[str, str, Caller], Pages]
    order: Callable[[dict[str, Any]], OrderEvent]
    topic: str
    lacks: Callable[[bytes], bool] = lambda body: False
    complete: Callable[[bytes, str, str, Caller], bytes] = lambda body, address, key, call: body


@dataclass(frozen=True, slots=True)
class Platform:
    """A platform's webhook verification, webhook parsing, cart handling, and API, if it has one."""

    verify: Verify
    parse: Parse
    cart: Callable[[Product, Address], Cart]
    api: Api | None = None


_SHOPIFY = Api(shopify_orders, shopify_catalog, shopify.order_event, "orders/updated")
_WOOCOMMERCE = Api(
    woocommerce_orders,
    woocommerce_catalog,
    woocommerce.order_event,
    "order.updated",
    lacks=woocommerce.lacks_refund_lines,
    complete=woocommerce.with_refund_lines,
)
PLATFORMS = {
    ORDERS: Platform(standard.verify, standard.parse, event_cart),
    SHOPIFY: Platform(shopify.verify, shopify.parse, shopify_cart, _SHOPIFY),
    WOOCOMMERCE: Platform(woocommerce.verify, woocommerce.parse, woocommerce_cart, _WOOCOMMERCE),
}
"""Platforms by the name in the webhook URL: ``/webhooks/{shop}/{name}``."""


def api_of(platform: str) -> Api:
    """Return the API of a platform. Raises KeyError if it has none."""
    api = PLATFORMS[platform].api
    if api is None:
        raise KeyError(platform)
    return api
