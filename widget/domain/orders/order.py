"""Orders as events, folded so that the order of arrival does not matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

PLACED, PAID, FULFILLED, DELIVERED = "placed", "paid", "fulfilled", "delivered"
CANCELLED, REFUNDED = "cancelled", "refunded"
EVENTS = (PLACED, PAID, FULFILLED, DELIVERED, CANCELLED, REFUNDED)


@dataclass(frozen=True, slots=True)
class OrderLine:
    """A line of an order; ids are text, ``price`` in minor units. ``returned``: how many the order itself takes off."""

    line_id: str = ""
    sku: str = ""
    product_id: str = ""
    variant_id: str = ""
    title: str = ""
    quantity: int = 1
    price: int | None = None
    returned: int = 0


@dataclass(frozen=True, slots=True)
class Refund:
    """Money or goods given back. ``lines``: line id to quantity; ``amount`` in minor units (None: not told)."""

    refund_id: str
    at: datetime
    lines: Mapping[str, int] = field(default_factory=dict)
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """What one delivery says of an order: the moments it knows of, and the order as it was at ``at``.

    ``moments``: names of EVENTS to when each happened. Empty: the order exists, and nothing more is known (a cart that
    was not paid for).
    """

    at: datetime
    external_id: str
    moments: Mapping[str, datetime] = field(default_factory=dict)
    number: str = ""
    email: str = ""
    customer_id: str = ""
    locale: str = ""
    timezone: str = ""
    currency: str = ""
    total: int | None = None
    accepts_marketing: bool | None = None
    test: bool = False
    lines: tuple[OrderLine, ...] = ()
    refunds: tuple[Refund, ...] = ()
    visit: str = ""


@dataclass(frozen=True, slots=True)
class ConsentEvent:
    """A store says whether somebody wants its marketing emails: the consent of the moment, not of an order."""

    at: datetime
    email: str
    granted: bool
    customer_id: str = ""


DATA_REQUEST, CUSTOMER_REDACT, SHOP_REDACT = "data_request", "customer_redact", "shop_redact"
UNINSTALL = "uninstall"
DESTRUCTIVE = frozenset({CUSTOMER_REDACT, SHOP_REDACT, UNINSTALL})
"""What cannot be undone waits, so that a person can say no."""


@dataclass(frozen=True, slots=True)
class PrivacyEvent:
    """A person (or a whole shop) wants to see or lose what is kept. Any of id, address and orders may be all we get."""

    kind: str
    email: str = ""
    customer_id: str = ""
    order_ids: tuple[str, ...] = ()
    store: str = ""
    """The store's own host, as the body names it."""


@dataclass(frozen=True, slots=True)
class CatalogEvent:
    """Something of the store's catalog changed."""


@dataclass(frozen=True, slots=True)
class UninstalledEvent:
    """The store took our application off: nothing is sent in its name any more. ``store``: its host, in the body."""

    store: str = ""


StoreEvent = OrderEvent | ConsentEvent | PrivacyEvent | CatalogEvent | UninstalledEvent


def earliest(known: datetime | None, outcome: datetime | None) -> datetime | None:
    """The first moment of an event; a repeat or a late copy does not move it."""
    moments = [moment for moment in (known, outcome) if moment]
    return min(moments) if moments else None


def agreed(known: bool | None, outcome: bool | None) -> bool | None:
    """Contradictory consent is a no."""
    if known is None or outcome is None:
        return outcome if known is None else known
    return known and outcome


def given_back(lines: Iterable[Mapping[str, Any]], refunds: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    """How many of each line (by line id) came back, after all refunds and what the order says itself."""
    back: dict[str, int] = {}
    for refund in refunds.values():
        for line_id, quantity in refund.get("lines", {}).items():
            back[line_id] = back.get(line_id, 0) + int(quantity)
    for line in lines:
        line_id = line.get("line_id", "")
        back[line_id] = max(back.get(line_id, 0), int(line.get("returned", 0)))
    return back


def kept_lines(lines: Iterable[Mapping[str, Any]], refunds: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The lines with what stays with the buyer as ``quantity``; a line that came back as a whole is gone."""
    listed = list(lines)
    back = given_back(listed, refunds)
    left = [
        {**line, "quantity": int(line.get("quantity", 1)) - back.get(line.get("line_id", ""), 0)} for line in listed
    ]
    return [line for line in left if line["quantity"] > 0]
