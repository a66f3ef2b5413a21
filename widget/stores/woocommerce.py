"""WooCommerce: verification of webhooks, the unsigned ping, and parsing of orders.

Sources: WooCommerce ``class-wc-webhook.php`` (signature: base64 of HMAC-SHA256 over the body; the key is the secret
with the HTML entities of quotes decoded; the ping is the form ``webhook_id=N``; ``deleted`` contains only the id;
deliveries within a second share their id) and the REST API v3 documentation (orders; ``_gmt`` moments have no zone).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from widget.domain.orders.order import (
    CANCELLED,
    FULFILLED,
    PAID,
    PLACED,
    REFUNDED,
    CatalogEvent,
    OrderEvent,
    OrderLine,
    Refund,
    StoreEvent,
)
from widget.domain.orders.webhook import MAX_ID, BadSignature, Unreadable, VerifiedWebhook, digest_id, signed_by
from widget.stores.reading import (
    flag,
    id_of,
    items_of,
    json_of,
    moment,
    money,
    named_values,
    part,
    quantity,
    reading,
    text,
    visit_in,
)

_PING = re.compile(rb"webhook_id=\d{1,20}\Z")
_ENTITIES = (("&quot;", '"'), ("&#034;", '"'), ("&#039;", "'"), ("&#39;", "'"), ("&lt;", "<"), ("&gt;", ">"))
BOUGHT = frozenset({"processing", "completed", "on-hold", "refunded"})
"""States of a placed order. ``pending``, ``failed``, and drafts are carts that have not been paid for yet."""
OFF = frozenset({"cancelled", "trash"})


def is_ping(headers: Mapping[str, str], body: bytes) -> bool:
    """Return whether this is the unsigned ping that WooCommerce sends when a webhook is saved; it expects a 200."""
    form = headers.get("content-type", "").partition(";")[0].strip().lower() == "application/x-www-form-urlencoded"
    return form and _PING.match(body) is not None


def verify(headers: Mapping[str, str], body: bytes, *, known_secrets: Sequence[str], now: datetime) -> VerifiedWebhook:
    """Return the delivery if one of the secrets signed it. Raises BadSignature."""
    given = headers.get("x-wc-webhook-signature", "")
    keys = [key.encode() for secret in known_secrets for key in dict.fromkeys((secret, _decoded(secret)))]
    if not given or not signed_by(keys, body, given):
        raise BadSignature("The signature does not match.")
    topic = headers.get("x-wc-webhook-topic", "").lower()[:80]
    # WooCommerce uses the same delivery id for two events in one second, so repeats are identified by the body.
    return VerifiedWebhook(digest_id(topic, body), body, topic)


def _decoded(secret: str) -> str:
    for entity, character in _ENTITIES:
        secret = secret.replace(entity, character)
    return secret.replace("&amp;", "&")


def parse(topic: str, body: bytes, *, received_at: datetime) -> list[StoreEvent]:
    """Return the events in a signed body, by its topic; none for topics that are not supported. Raises Unreadable."""
    with reading("WooCommerce event"):
        data = json_of(body)
        _refuse_other_shapes(topic, data)
        if topic == "order.deleted":
            external_id = id_of(data.get("id"), "the order")
            return [OrderEvent(at=received_at, external_id=external_id, moments={CANCELLED: received_at})]
        if topic.startswith("order."):
            return [order_event(data)]
        if topic.startswith("product."):
            return [CatalogEvent()]
        return []


def _refuse_other_shapes(topic: str, data: dict[str, Any]) -> None:
    """Raise Unreadable for a body with the shape of another topic: the signature covers the body but not the topic."""
    if topic.endswith(".deleted"):
        fits = set(data) == {"id"}
    elif topic.startswith("order."):
        fits = "id" in data and "line_items" in data
    elif topic.startswith("product."):
        fits = "id" in data and "line_items" not in data and "billing" not in data
    else:
        return
    if not fits:
        raise Unreadable(f"the body does not match the format of {topic}")


def order_event(order: dict[str, Any]) -> OrderEvent:
    """Parse an order, which has the same format in webhooks and in the REST API v3. Raises Unreadable."""
    external_id = id_of(order.get("id"), "the order")
    created = moment(order.get("date_created_gmt"))
    at = moment(order.get("date_modified_gmt")) or created
    if at is None:
        raise Unreadable("the order has no timestamp")
    currency = text(order.get("currency"))[:3]
    customer = text(order.get("customer_id"))[:MAX_ID]
    attributes = named_values(order.get("meta_data"), "key")
    return OrderEvent(
        at=at,
        external_id=external_id,
        moments=_moments(order, created or at, at),
        number=text(order.get("number")) or external_id,
        email=text(part(order, "billing").get("email")),
        customer_id="" if customer == "0" else customer,  # 0 means a guest.
        locale="",
        currency=currency,
        total=money(order.get("total"), currency),
        accepts_marketing=_accepts(attributes),
        lines=tuple(_line(item, currency) for item in items_of(order, "line_items")),
        refunds=tuple(_refund(item, at, currency) for item in items_of(order, "refunds")),
        visit=visit_in(attributes),
    )


def _moments(order: dict[str, Any], created: datetime, at: datetime) -> dict[str, datetime]:
    status = text(order.get("status"))
    moments: dict[str, datetime] = {}
    if paid := moment(order.get("date_paid_gmt")):
        moments[PAID] = paid
    if status in BOUGHT or paid:
        moments[PLACED] = created
    if status == "completed":
        moments[FULFILLED] = moment(order.get("date_completed_gmt")) or at
    if status in OFF:
        moments[CANCELLED] = at
    if status == "refunded":
        moments[REFUNDED] = at
    return moments


def _accepts(attributes: Mapping[str, Any]) -> bool | None:
    """Return the marketing consent. WooCommerce has none; our snippet (infra/stores) adds it to the order metadata."""
    value = attributes.get("recovery_quiz_accepts_marketing")
    if isinstance(value, str) and value in ("yes", "no"):
        return value == "yes"
    return flag(value)


def _line(line: dict[str, Any], currency: str) -> OrderLine:
    variation = text(line.get("variation_id"))
    return OrderLine(
        line_id=text(line.get("id")),
        sku=text(line.get("sku")),
        product_id=text(line.get("product_id")),
        variant_id="" if variation == "0" else variation,
        title=text(line.get("name"))[:300],
        quantity=quantity(line.get("quantity")),
        price=money(line.get("price"), currency),
    )


def _refund(refund: dict[str, Any], at: datetime, currency: str) -> Refund:
    """Parse a refund in an order, which has only an id and a (negative) total; its items are a separate resource."""
    amount = money(refund.get("total"), currency)
    return Refund(id_of(refund.get("id"), "a refund"), at, {}, abs(amount) if amount is not None else None)
