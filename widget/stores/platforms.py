"""The platforms we understand, behind one protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from widget.domain.delivery import Delivery
from widget.domain.order import StoreEvent
from widget.stores import shopify, standard, woocommerce

ORDERS, SHOPIFY, WOOCOMMERCE = "orders", "shopify", "woocommerce"


class Platform(Protocol):
    """How a store's deliveries are verified and read."""

    def verify(
        self, headers: Mapping[str, str], body: bytes, *, known_secrets: Sequence[str], now: datetime
    ) -> Delivery:
        """The delivery, if one of the secrets signed these bytes. Header names are lower case. Raises BadSignature."""

    def parse(self, topic: str, body: bytes, *, received_at: datetime) -> list[StoreEvent]:
        """What it says. Raises Unreadable."""


PLATFORMS: dict[str, Platform] = {ORDERS: standard, SHOPIFY: shopify, WOOCOMMERCE: woocommerce}
"""By the name in the hook address: ``/hooks/{shop}/{name}``."""
