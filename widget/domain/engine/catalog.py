"""The catalog: the compiled products with their current store data (price, stock, active, blocked)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from widget.domain.catalog.product import Product
from widget.domain.engine.bits import mask
from widget.domain.engine.rules import Rules

FROM_FEEDS = ("name", "price", "currency", "stock", "url", "image", "active", "product_id", "variant_id")


class Catalog:
    """The products of one content version under one catalog revision.

    ``feed`` maps SKUs to store feed data (only FROM_FEEDS are used: no feed carries safety data);
    ``blocked`` are the SKUs that the shop blocks.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        feed: Mapping[str, Mapping[str, Any]] | None = None,
        blocked: frozenset[str] = frozenset(),
        revision: int = 0,
    ) -> None:
        self.rules = rules
        self.feed = feed or {}
        self.revision = revision
        self.blocked = blocked
        self.products = tuple(_as_stored(product, self.feed.get(product.sku, {})) for product in rules.products)
        result = rules.pack.result
        self.certified = mask(
            place
            for place, product in enumerate(self.products)
            if product.certified(result.certificate_for, result.certificate_max_thc_mg)
        )
        self.active = mask(place for place, product in enumerate(self.products) if product.active)
        self.in_stock = mask(place for place, product in enumerate(self.products) if product.in_stock)
        self.free = mask(place for place, product in enumerate(self.products) if product.sku not in blocked)
        self.sellable = self.active & self.certified & self.free
        self.groups = tuple(product.product_id for product in self.products)


def _as_stored(product: Product, fed: Mapping[str, Any]) -> Product:
    changes = {name: fed[name] for name in FROM_FEEDS if name in fed}
    return replace(product, **changes) if changes else product
