"""Orders as events, folded so that the order of arrival does not matter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

PLACED, PAID, FULFILLED, DELIVERED = "placed", "paid", "fulfilled", "delivered"
CANCELLED, REFUNDED = "cancelled", "refunded"
EVENTS = (PLACED, PAID, FULFILLED, DELIVERED, CANCELLED, REFUNDED)


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A line of an order; ids are text, ``price`` in minor units."""

    line_id: str = ""
    sku: str = ""
    product_id: str = ""
    variant_id: str = ""
    title: str = ""
    quantity: int = 1
    price: int | None = None


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """What one hook says: an event of an order at a moment, with the order as it then was."""

    kind: str
    at: datetime
    external_id: str
    number: str = ""
    email: str = ""
    locale: str = ""
    currency: str = ""
    total: int | None = None
    placed_at: datetime | None = None
    accepts_marketing: bool | None = None
    test: bool = False
    lines: tuple[OrderLine, ...] = ()
    visit: str = ""


def earliest(known: datetime | None, told: datetime | None) -> datetime | None:
    """The first moment of an event; a repeat or a late copy does not move it."""
    moments = [moment for moment in (known, told) if moment]
    return min(moments) if moments else None


def agreed(known: bool | None, told: bool | None) -> bool | None:
    """Contradictory consent is a no."""
    if known is None or told is None:
        return told if known is None else known
    return known and told
