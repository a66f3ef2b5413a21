"""The platforms we understand, behind one protocol."""

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
from widget.stores.catalogs import shopify_catalog, woocommerce_catalog
from widget.stores.reconciling import shopify_orders, woocommerce_orders

ORDERS, SHOPIFY, WOOCOMMERCE = "orders", "shopify", "woocommerce"
Pages = Iterator[list[dict[str, Any]]]


class Verify(Protocol):
    """The delivery, if one of the secrets signed these bytes. Header names are lower case. Raises BadSignature."""

    def __call__(
        self, headers: Mapping[str, str], body: bytes, *, known_secrets: Sequence[str], now: datetime
    ) -> VerifiedWebhook: ...


class Parse(Protocol):
    """What a verified body says, by its topic. Raises Unreadable."""

    def __call__(self, topic: str, body: bytes, *, received_at: datetime) -> list[StoreEvent]: ...


@dataclass(frozen=True, slots=True)
class Api:
    """What a store's API gives: pages of orders that changed since a moment, and of its catalog as products.json.

    ``order`` reads one of those orders, ``topic`` is what a delivery of it would be about.
    """

    reconcile: Callable[[str, str, datetime, Caller], Pages]
    catalog: Callable[[str, str, Caller], Pages]
    order: Callable[[dict[str, Any]], OrderEvent]
    topic: str


@dataclass(frozen=True, slots=True)
class Platform:
    """How a platform signs, how its deliveries read, how its cart is filled, and its API, if it has one."""

    verify: Verify
    parse: Parse
    cart: Callable[[Product, Address], Cart]
    api: Api | None = None


_SHOPIFY = Api(shopify_orders, shopify_catalog, shopify.order_event, "orders/updated")
_WOOCOMMERCE = Api(woocommerce_orders, woocommerce_catalog, woocommerce.order_event, "order.updated")
PLATFORMS = {
    ORDERS: Platform(standard.verify, standard.parse, event_cart),
    SHOPIFY: Platform(shopify.verify, shopify.parse, shopify_cart, _SHOPIFY),
    WOOCOMMERCE: Platform(woocommerce.verify, woocommerce.parse, woocommerce_cart, _WOOCOMMERCE),
}
"""By the name in the webhook address: ``/webhooks/{shop}/{name}``."""


def api_of(platform: str) -> Api:
    """Raises KeyError for a platform without one."""
    api = PLATFORMS[platform].api
    if api is None:
        raise KeyError(platform)
    return api
