"""Shopify: verification of webhooks, and parsing of orders, consents, and privacy requests.

Sources: shopify.dev, "Verify webhook deliveries" (base64 of HMAC-SHA256 over the raw body, keyed with the client
secret), "Ignore duplicate webhooks" (event id), "Privacy law compliance" (customers/data_request, customers/redact,
shop/redact; 401 for a bad signature).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from widget.domain.orders.order import (
    CANCELLED,
    CUSTOMER_REDACT,
    DATA_REQUEST,
    DELIVERED,
    FULFILLED,
    PAID,
    PLACED,
    REFUNDED,
    SHOP_REDACT,
    CatalogEvent,
    ConsentEvent,
    OrderEvent,
    OrderLine,
    PrivacyEvent,
    Quantity,
    Refund,
    StoreEvent,
    UninstalledEvent,
    tidy,
)
from widget.domain.orders.webhook import (
    MAX_ID,
    BadSignature,
    Ignored,
    Unreadable,
    VerifiedWebhook,
    digest_id,
    signed_by,
)
from widget.stores.reading import (
    flag,
    id_of,
    items_of,
    json_of,
    line_price,
    line_quantity,
    line_text,
    lines_of,
    moment,
    money,
    named_values,
    part,
    reading,
    text,
    visit_in,
)

PAID_STATES = frozenset({"paid", "partially_refunded", "refunded"})
PRIVACY = {
    "customers/data_request": DATA_REQUEST,
    "customers/redact": CUSTOMER_REDACT,
    "shop/redact": SHOP_REDACT,
}
ORDER_TOPICS = frozenset(
    f"orders/{what}" for what in ("create", "updated", "paid", "fulfilled", "partially_fulfilled", "cancelled")
)
_OF_ORDERS = ("line_items", "financial_status", "order_number", "total_price", "refund_line_items")
SAMPLE_ORDER = "820982911946154508"
"""The order id of Shopify's test notifications (its developer documentation shows the same sample)."""
CONSENT_TOPICS = ("customers_email_marketing_consent/update", "customers/email_marketing_consent_update")


def verify(headers: Mapping[str, str], body: bytes, *, known_secrets: Sequence[str], now: datetime) -> VerifiedWebhook:
    """Return the delivery if one of the client secrets signed it; during a rotation, both are valid.

    Raises BadSignature.
    """
    given = _header(headers, "hmac-sha256")
    if not given or not signed_by((secret.encode() for secret in known_secrets), body, given):
        raise BadSignature("The signature does not match.")
    topic = _header(headers, "topic").lower()[:80]
    event = _header(headers, "event-id") or _header(headers, "webhook-id")
    return VerifiedWebhook(f"{event}:{topic}"[:MAX_ID] if event else digest_id(topic, body), body, topic)


def _header(headers: Mapping[str, str], name: str) -> str:
    """Return a header by its usual name or by the name that newer events use."""
    return headers.get(f"x-shopify-{name}") or headers.get(f"shopify-{name}", "")


def parse(topic: str, body: bytes, *, received_at: datetime) -> list[StoreEvent]:
    """Return the events in a signed body, by its topic. Raises Unreadable, Ignored."""
    with reading("Shopify event"):
        data = json_of(body)
        if _is_test(topic, data):
            raise Ignored("Shopify's test notification: the connection works")
        _refuse_other_shapes(topic, data)
        if topic in PRIVACY:
            return [_privacy(PRIVACY[topic], data)]
        if topic in CONSENT_TOPICS:
            return [_consent(data, received_at)]
        if topic == "refunds/create":
            return [_refund_event(data)]
        if topic == "orders/delete":
            return [_deleted(data, received_at)]
        if topic in ORDER_TOPICS:
            return [order_event(data)]
        if topic.startswith("products/"):
            return [CatalogEvent()]
        if topic == "app/uninstalled":
            return [UninstalledEvent(_host(data.get("myshopify_domain") or data.get("domain")))]
        raise Ignored(f"the topic {topic or '(none)'} is not used")


def _is_test(topic: str, data: dict[str, Any]) -> bool:
    """Return whether this is the sample that "Send test notification" sends: an order or refund that never existed."""
    if topic == "refunds/create":
        return "created_at" in data and data.get("created_at") is None and data.get("processed_at") is None
    return topic in ORDER_TOPICS and data.get("id") == SAMPLE_ORDER and data.get("test") is True


def _refuse_other_shapes(topic: str, data: dict[str, Any]) -> None:
    """Raise Unreadable unless a body has the shape of its topic and of no other topic.

    The signature covers the body but not the topic. Without this check, a captured order could be replayed as a request
    to erase everything.
    """
    wanted: tuple[str, ...]
    alien: tuple[str, ...]
    if topic == "shop/redact":
        wanted, alien = ("shop_id", "shop_domain"), tuple(set(data) - {"shop_id", "shop_domain"})
    elif topic == "customers/redact":
        wanted, alien = ("shop_id", "shop_domain", "customer"), (*_OF_ORDERS, "orders_requested", "data_request")
    elif topic == "customers/data_request":
        wanted, alien = ("shop_id", "shop_domain", "customer"), (*_OF_ORDERS, "orders_to_redact")
    elif topic == "app/uninstalled":
        wanted, alien = ("id", "myshopify_domain"), (*_OF_ORDERS, "customer", "orders_to_redact")
    elif topic == "orders/delete":
        wanted, alien = ("id",), tuple(set(data) - {"id"})
    elif topic == "refunds/create":
        wanted, alien = ("id", "order_id", "refund_line_items"), ("line_items",)
    elif topic in CONSENT_TOPICS:
        wanted, alien = ("email_marketing_consent",), _OF_ORDERS
    elif topic.startswith("products/"):
        wanted, alien = ("id",), _OF_ORDERS
    elif topic in ORDER_TOPICS:
        wanted, alien = ("id", "line_items"), ("orders_to_redact", "orders_requested")
    else:
        return
    if any(name not in data for name in wanted) or any(name in data for name in alien):
        raise Unreadable(f"the body does not match the format of {topic}")


def _host(value: Any) -> str:
    return text(value)[:MAX_ID].casefold()


def order_event(order: dict[str, Any]) -> OrderEvent:
    """Parse an order, which has the same format in Shopify's webhooks and Admin API. Raises Unreadable."""
    external_id = id_of(order.get("id"), "the order")
    created, updated = moment(order.get("created_at")), moment(order.get("updated_at"))
    at = updated or created
    if at is None:
        raise Unreadable("the order has no timestamp")
    currency = text(order.get("currency"))[:3]
    refunds = tuple(_refund(item, currency) for item in items_of(order, "refunds"))
    customer = part(order, "customer")
    return OrderEvent(
        at=at,
        external_id=external_id,
        moments=_moments(order, created or at, at, refunds),
        number=text(order.get("name")) or text(order.get("order_number")) or external_id,
        email=text(order.get("email")) or text(order.get("contact_email")) or text(customer.get("email")),
        customer_id=text(customer.get("id"))[:MAX_ID],
        locale=text(order.get("customer_locale"))[:35],
        currency=currency,
        total=money(order.get("total_price"), currency),
        accepts_marketing=_accepts(order, customer),
        test=flag(order.get("test")) is True,
        lines=tuple(_line(item, currency) for item in lines_of(order, "line_items")),
        refunds=refunds,
        visit=visit_in(named_values(order.get("note_attributes"))),
    )


def _moments(order: dict[str, Any], created: datetime, at: datetime, refunds: Sequence[Refund]) -> dict[str, datetime]:
    moments = {PLACED: created}
    money_state, parcel_state = text(order.get("financial_status")), text(order.get("fulfillment_status"))
    if money_state in PAID_STATES:
        moments[PAID] = moment(order.get("processed_at")) or at
    parcels = items_of(order, "fulfillments")
    if parcel_state == "fulfilled":
        lines = [parcel for parcel in (moment(one.get("created_at")) for one in parcels) if parcel]
        moments[FULFILLED] = max(lines, default=at)
    if parcels and all(text(parcel.get("shipment_status")) == "delivered" for parcel in parcels):
        moments[DELIVERED] = max(moment(parcel.get("updated_at")) or at for parcel in parcels)
    if cancelled := moment(order.get("cancelled_at")):
        moments[CANCELLED] = cancelled
    elif money_state == "voided":
        moments[CANCELLED] = at
    if money_state == "refunded":
        moments[REFUNDED] = max((refund.at for refund in refunds), default=at)
    return moments


def _accepts(order: dict[str, Any], customer: dict[str, Any]) -> bool | None:
    """Return the marketing consent from the order's flag and the customer's state; False if they contradict."""
    outcome = flag(order.get("buyer_accepts_marketing"))
    state = text(part(customer, "email_marketing_consent").get("state"))
    return outcome if not state else (outcome is not False and state == "subscribed")


def _line(line: dict[str, Any], currency: str) -> OrderLine:
    bought = line_quantity(line)
    return OrderLine(
        line_id=line_text(line, "id"),
        sku=line_text(line, "sku"),
        product_id=line_text(line, "product_id"),
        variant_id=line_text(line, "variant_id"),
        title=line_text(line, "title", 300),
        quantity=bought,
        price=line_price(line, currency, money),
        returned=max(0, tidy(Decimal(bought) - Decimal(line_quantity(line, "current_quantity", bought)))),
    )


def _refund(refund: dict[str, Any], currency: str) -> Refund:
    lines: dict[str, Quantity] = {}
    for item in lines_of(refund, "refund_line_items"):
        line_id = line_text(item, "line_item_id")
        lines[line_id] = tidy(Decimal(lines.get(line_id, 0)) + line_quantity(item, missing=0))
    paid_back = [
        money(item.get("amount"), text(item.get("currency")) or currency) or 0
        for item in items_of(refund, "transactions")
        if text(item.get("kind")) == "refund" and text(item.get("status")) == "success"
    ]
    at = moment(refund.get("created_at")) or moment(refund.get("processed_at"))
    if at is None:
        raise Unreadable("a refund has no timestamp")
    return Refund(id_of(refund.get("id"), "a refund"), at, lines, sum(paid_back) if paid_back else None)


def _refund_event(data: dict[str, Any]) -> OrderEvent:
    refund = _refund(data, "")
    return OrderEvent(at=refund.at, external_id=id_of(data.get("order_id"), "the order"), refunds=(refund,))


def _deleted(data: dict[str, Any], received_at: datetime) -> OrderEvent:
    """Parse a deletion, whose body is only the id. A deleted order is treated as canceled."""
    return OrderEvent(at=received_at, external_id=id_of(data.get("id"), "the order"), moments={CANCELLED: received_at})


def _consent(data: dict[str, Any], received_at: datetime) -> ConsentEvent:
    outcome = part(data, "email_marketing_consent")
    state = text(outcome.get("state"))
    email = text(data.get("email_address"))
    if not state or not (email or data.get("customer_id")):
        raise Unreadable("the consent has no state or no customer")
    at = moment(outcome.get("consent_updated_at")) or received_at
    return ConsentEvent(at, email, granted=state == "subscribed", customer_id=text(data.get("customer_id"))[:MAX_ID])


def _privacy(kind: str, data: dict[str, Any]) -> PrivacyEvent:
    customer = part(data, "customer")
    listed = data.get("orders_requested" if kind == DATA_REQUEST else "orders_to_redact") or ()
    if not isinstance(listed, list | tuple):
        raise Unreadable("the orders are not a list")
    found = PrivacyEvent(
        kind,
        email=text(customer.get("email")),
        customer_id=text(customer.get("id"))[:MAX_ID],
        order_ids=tuple(filter(None, (text(item)[:MAX_ID] for item in listed[:10_000]))),
        store=_host(data.get("shop_domain")),
    )
    if kind != SHOP_REDACT and not (found.email or found.customer_id or found.order_ids):
        raise Unreadable("the request does not identify a customer")
    return found
