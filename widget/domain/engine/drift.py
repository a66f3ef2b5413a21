"""Catalog drift: differences between what the pack relies on and what the store has now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from widget.domain.content.problem import WARNING, Problem
from widget.domain.engine.catalog import Catalog


def drift_problems(catalog: Catalog, known: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a finding for each product that is gone, blocked, unpriced, out of stock, or without its certificate.

    ``known``: store data by SKU; for products without any, the pack's own data counts.
    """
    pack = catalog.rules.pack
    order = {product.sku: at for at, product in enumerate(pack.products)}
    named = {sku for row in pack.mappings for target in row.target if target.kind == "sku" for sku in target.values}
    for place, product in enumerate(catalog.products):
        outcome = _what_is_wrong(catalog, place)
        if outcome:
            also = " Mapping rows refer to it." if product.sku in named else ""
            source = "according to the store" if product.sku in known else "according to products.yaml"
            message = f"{product.name} ({product.sku}) {outcome}: it is not shown ({source}).{also}"
            yield Problem(WARNING, ("products.yaml", order[product.sku]), "catalog_drift", message)
        elif product.price is None:
            message = f"{product.name} ({product.sku}) has no price"
            yield Problem(WARNING, ("products.yaml", order[product.sku], "price"), "catalog_drift", message)


def _what_is_wrong(catalog: Catalog, place: int) -> str:
    bit = 1 << place
    for allowed, outcome in (
        (catalog.active, "is no longer in the store"),
        (catalog.free, "is blocked"),
        (catalog.certified, "has no valid certificate"),
        (catalog.in_stock, "is out of stock"),
    ):
        if not allowed & bit:
            return outcome
    return ""
