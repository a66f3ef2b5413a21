"""Product data, and whether a product may be shown at all."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate of analysis. ``total_thc_mg`` is milligrams of total THC per container."""

    issued: date | None = None
    total_thc_mg: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """One product or variant.

    ``price`` is in minor units. ``stock`` None means stock is not tracked, so the product counts as in stock.
    ``contains`` and ``allergens`` None mean *not declared*, which is not the same as an empty tuple.
    """

    sku: str
    name: str
    form: str = ""
    tags: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()
    contains: tuple[str, ...] | None = None
    allergens: tuple[str, ...] | None = None
    price: int | None = None
    currency: str | None = None
    stock: int | None = None
    active: bool = True
    priority: int = 0
    certificate: Certificate | None = None
    product_id: str | None = None
    variant_id: str | None = None
    url: str | None = None
    image: str | None = None
    size: str | None = None
    uses: int | None = None
    areas: tuple[str, ...] = ()
    attributes: dict[str, str] = field(default_factory=dict)
    ingredients: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def contains_set(self) -> frozenset[str] | None:
        return None if self.contains is None else frozenset(self.contains)

    @property
    def in_stock(self) -> bool:
        return self.stock is None or self.stock > 0

    def certified(self, needed_for: tuple[str, ...], max_thc_mg: Decimal) -> bool:
        """Return whether the product needs no certificate, or has one with total THC within the limit.

        A product that does not declare its contents needs a certificate.

        Source of the limit: H.R. 5371 §781 (0.4 mg total THC per container), in force since 12 Nov 2026.
        """
        if not needed_for or (self.contains is not None and set(needed_for).isdisjoint(self.contains)):
            return True
        if self.certificate is None or self.certificate.total_thc_mg is None:
            return False
        return self.certificate.total_thc_mg <= max_thc_mg
