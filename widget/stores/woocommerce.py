"""WooCommerce: verification of webhooks, the unsigned ping, and parsing of orders.

Sources: WooCommerce ``class-wc-webhook.php`` (signature: base64 of HMAC-SHA256 over the body; the key is the secret
with the HTML entities of quotes decoded; the ping is the form ``webhook_id=N``; ``deleted`` contains only the id;
deliveries within a second share their id) and the REST API v3 documentation (orders; ``_gmt`` moments have no zone;
"Order refunds": the line that an item takes back is in its metadata as ``_refunded_item_id``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import orjson

from widget.domain.orders.order import (
    CANCELLED,
    FULFILLED,
    PAID,
    PLACED,
    REFUNDED,
    CatalogEvent,
    OrderEvent,
    OrderLine,
    Quantity,
    Refund,
    StoreEvent,
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
from widget.stores.api_call import Caller, woo_login
from widget.stores.fetching import NotFetched
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

_OLD_LINK = re.compile(r"/wc/v[12]/")
MAX_LINKS = 2_000
"""Characters of a body's links that are searched for the version of the API."""
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
    """Return the events in a signed body, by its topic. Raises Unreadable, Ignored."""
    with reading("WooCommerce event"):
        data = json_of(body)
        _refuse_old_versions(topic, data)
        _refuse_other_shapes(topic, data)
        if topic == "order.deleted":
            external_id = id_of(data.get("id"), "the order")
            return [OrderEvent(at=received_at, external_id=external_id, moments={CANCELLED: received_at})]
        if topic.startswith("order."):
            return [order_event(data)]
        if topic.startswith("product."):
            return [CatalogEvent()]
        raise Ignored(f"the topic {topic or '(none)'} is not used")


def _refuse_old_versions(topic: str, data: dict[str, Any]) -> None:
    """Raise Unreadable for a body in the format of an older API version, with the setting to change.

    The legacy API wraps the resource; version 1 of the REST API has no moments in UTC; version 2 differs from version 3
    in its links only, which WooCommerce adds to the body of a webhook as in a response of the API.
    """
    resource = topic.partition(".")[0]
    wrapped = resource in ("order", "product") and isinstance(data.get(resource), dict) and "id" not in data
    old = resource == "order" and "line_items" in data and "date_created" in data and "date_created_gmt" not in data
    if wrapped or old or _OLD_LINK.search(str(data.get("_links"))[:MAX_LINKS]):
        raise Unreadable(
            "the webhook uses an old API version: in WooCommerce, under Settings → Advanced → Webhooks, "
            "set its API version to “WP REST API Integration v3”"
        )


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
        lines=tuple(_line(item, currency) for item in lines_of(order, "line_items")),
        refunds=tuple(_refund(item, order, at, currency) for item in items_of(order, "refunds")),
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
        line_id=line_text(line, "id"),
        sku=line_text(line, "sku"),
        product_id=line_text(line, "product_id"),
        variant_id="" if variation == "0" else variation,
        title=line_text(line, "name", 300),
        quantity=line_quantity(line),
        price=line_price(line, currency, money),
    )


def _refund(refund: dict[str, Any], order: dict[str, Any], at: datetime, currency: str) -> Refund:
    """Parse a refund: in an order an id and a (negative) total; as a resource of its own, also its lines."""
    total = refund.get("total") if refund.get("total") is not None else refund.get("amount")
    amount = money(total, currency)
    lines: dict[str, Quantity] = {}
    for item in lines_of(refund, "line_items"):
        line_id = str(named_values(item.get("meta_data"), "key").get("_refunded_item_id") or "")
        if line_id:
            lines[line_id] = tidy(Decimal(lines.get(line_id, 0)) + _taken_back(item, line_id, order, currency))
    when = moment(refund.get("date_created_gmt")) or at
    return Refund(id_of(refund.get("id"), "a refund"), when, lines, abs(amount) if amount is not None else None)


def _taken_back(item: dict[str, Any], line_id: str, order: dict[str, Any], currency: str) -> Quantity:
    """Return the quantity that a line of a refund takes back (its sign is negative).

    Shops often refund a line's whole amount and leave the quantity at 0: that takes back the line, too.
    """
    count = line_quantity({"quantity": str(item.get("quantity", "0")).lstrip("-")}, missing=0)
    if count:
        return count
    line = next((one for one in lines_of(order, "line_items") if line_text(one, "id") == line_id), {})
    paid, back = (line_price({"price": one.get("total")}, currency, money) or 0 for one in (line, item))
    return line_quantity(line) if paid and abs(back) >= paid else 0


def lacks_refund_lines(body: bytes) -> bool:
    """Return whether a delivery is an order with refunds whose lines are not known."""
    try:
        refunds = json_of(body).get("refunds")
    except (ValueError, RecursionError):
        return False
    return isinstance(refunds, list) and any("line_items" not in one for one in refunds if isinstance(one, dict))


def with_refund_lines(body: bytes, address: str, key: str, call: Caller) -> bytes:
    """Return an order with its refunds as the store's API has them: with their lines. Raises NotFetched, Throttled."""
    order = json_of(body)
    number = text(order.get("id"))
    if not number.isdigit():
        return body
    url = f"{address}/wp-json/wc/v3/orders/{number}/refunds?per_page=100"
    found = call(url, woo_login(key)).data
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise NotFetched("the store's response contains no list of refunds")
    lined = [{**one, "line_items": one.get("line_items") or []} for one in found]
    return orjson.dumps({**order, "refunds": lined})
