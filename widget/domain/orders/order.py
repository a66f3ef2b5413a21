"""Orders as events, merged so that their order of arrival does not matter."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

PLACED, PAID, FULFILLED, DELIVERED = "placed", "paid", "fulfilled", "delivered"
CANCELLED, REFUNDED = "cancelled", "refunded"
EVENTS = (PLACED, PAID, FULFILLED, DELIVERED, CANCELLED, REFUNDED)


Quantity = int | Decimal
"""A whole number, or a decimal where a store sells by length or weight (1.5 meters)."""


@dataclass(frozen=True, slots=True)
class OrderLine:
    """An order line. Ids are text; ``price`` is in minor units.

    ``returned``: the returned quantity according to the order itself.
    """

    line_id: str = ""
    sku: str = ""
    product_id: str = ""
    variant_id: str = ""
    title: str = ""
    quantity: Quantity = 1
    price: int | None = None
    returned: Quantity = 0


@dataclass(frozen=True, slots=True)
class Refund:
    """A refund of money or a return of goods.

    ``lines``: line id to quantity. ``amount``: in minor units (None: not reported).
    """

    refund_id: str
    at: datetime
    lines: Mapping[str, Quantity] = field(default_factory=dict)
    amount: int | None = None


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """An order as one webhook delivery reports it: the known event times, and the order's state at ``at``.

    ``moments``: names of EVENTS to the time each happened. Empty: the order exists, but nothing more is known (a cart
    that was not paid for).
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
    """A store's report of whether a customer accepts marketing emails: their current consent, not that of an order."""

    at: datetime
    email: str
    granted: bool
    customer_id: str = ""


DATA_REQUEST, CUSTOMER_REDACT, SHOP_REDACT = "data_request", "customer_redact", "shop_redact"
UNINSTALL = "uninstall"
DESTRUCTIVE = frozenset({CUSTOMER_REDACT, SHOP_REDACT, UNINSTALL})
"""Requests that cannot be undone are delayed, so that a user can stop them."""


@dataclass(frozen=True, slots=True)
class PrivacyEvent:
    """A request by a person (or a whole shop) to see or delete stored data.

    It may identify the person by customer id, email address, or order ids alone.
    """

    kind: str
    email: str = ""
    customer_id: str = ""
    order_ids: tuple[str, ...] = ()
    store: str = ""
    """The store's host name, from the request body."""


@dataclass(frozen=True, slots=True)
class CatalogEvent:
    """A change in the store's catalog."""


@dataclass(frozen=True, slots=True)
class UninstalledEvent:
    """The store uninstalled our app: no more emails are sent in its name.

    ``store``: its host name, from the request body.
    """

    store: str = ""


StoreEvent = OrderEvent | ConsentEvent | PrivacyEvent | CatalogEvent | UninstalledEvent


def earliest(known: datetime | None, outcome: datetime | None) -> datetime | None:
    """Return the earliest known time of an event; a repeated or late delivery does not change it."""
    moments = [moment for moment in (known, outcome) if moment]
    return min(moments) if moments else None


def agreed(known: bool | None, outcome: bool | None) -> bool | None:
    """Merge two consent values; contradictory consent counts as refusal."""
    if known is None or outcome is None:
        return outcome if known is None else known
    return known and outcome


def tidy(quantity: Decimal) -> Quantity:
    """Return a whole quantity as an int."""
    return int(quantity) if quantity == quantity.to_integral_value() else quantity


def stored_quantity(quantity: Quantity) -> int | str:
    """Return a quantity as it is stored in JSON: a decimal as text, so that it stays exact."""
    return quantity if isinstance(quantity, int) else str(quantity)


def quantity_in(row: Mapping[str, Any], name: str, missing: int) -> Decimal:
    """Return a quantity of a stored row."""
    return Decimal(str(row.get(name, missing)))


def given_back(lines: Iterable[Mapping[str, Any]], refunds: Mapping[str, Mapping[str, Any]]) -> dict[str, Quantity]:
    """Return the returned quantity by line id, from all refunds and from the order itself."""
    back: dict[str, Decimal] = {}
    for refund in refunds.values():
        for line_id, quantity in refund.get("lines", {}).items():
            back[line_id] = back.get(line_id, Decimal(0)) + Decimal(str(quantity))
    for line in lines:
        line_id = line.get("line_id", "")
        back[line_id] = max(back.get(line_id, Decimal(0)), quantity_in(line, "returned", 0))
    return {line_id: tidy(quantity) for line_id, quantity in back.items()}


def kept_lines(lines: Iterable[Mapping[str, Any]], refunds: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the lines with ``quantity`` reduced to what the buyer keeps; fully returned lines are left out."""
    listed = list(lines)
    back = given_back(listed, refunds)
    left = [
        {**line, "quantity": tidy(quantity_in(line, "quantity", 1) - back.get(line.get("line_id", ""), 0))}
        for line in listed
    ]
    return [line for line in left if line["quantity"] > 0]
