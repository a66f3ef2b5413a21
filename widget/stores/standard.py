"""Standard Webhooks 1.0.0: verification of a generic store's webhooks, and parsing of its orders.

Source: the Standard Webhooks specification: signed text ``id.timestamp.body``, header ``webhook-signature`` a list
of ``v1,<base64 HMAC-SHA256>``, secrets ``whsec_`` + base64 of 24 to 64 bytes, five minutes of tolerance.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from widget.domain.orders.order import CANCELLED, EVENTS, PLACED, REFUNDED, OrderEvent, OrderLine, StoreEvent
from widget.domain.orders.webhook import MAX_ID, BadSignature, Ignored, Unreadable, VerifiedWebhook
from widget.stores.reading import (
    flag,
    id_of,
    json_of,
    line_price,
    line_quantity,
    line_text,
    lines_of,
    minor_units,
    moment,
    named_values,
    reading,
    text,
    visit_in,
)

TOLERANCE = 300


def new_secret() -> str:
    """Return a new secret of 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, event_id: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a delivery, ``v1,…``. Raises UnicodeDecodeError: a body is UTF-8."""
    return Webhook(secret).sign(event_id, datetime.fromtimestamp(timestamp, UTC), body.decode())


def verify(headers: Mapping[str, str], body: bytes, *, known_secrets: Sequence[str], now: datetime) -> VerifiedWebhook:
    """Return the delivery if one of the secrets signed it in the last five minutes. Raises BadSignature.

    Every secret is tried, each in constant time: during a rotation, both the old and the new one are valid.
    """
    event_id = headers.get("webhook-id", "")
    given = headers.get("webhook-signature", "").split()
    stamp = headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise BadSignature("The webhook-timestamp header is missing or invalid.")
    timestamp = int(stamp)
    if not event_id or len(event_id) > MAX_ID or not given or len(given) > 16:
        raise BadSignature("The webhook-id or webhook-signature header is missing.")
    if abs(now.timestamp() - timestamp) > TOLERANCE:
        raise BadSignature("The webhook-timestamp is more than five minutes off.")
    try:
        expected = [sign(secret, event_id, timestamp, body).encode() for secret in known_secrets]
    except UnicodeDecodeError as error:
        raise BadSignature("the body is not UTF-8") from error
    # Every pair is compared, so that the time does not tell which one fits.
    if not sum(hmac.compare_digest(one, item.encode()) for one in expected for item in given):
        raise BadSignature("No signature matches.")
    return VerifiedWebhook(event_id, body)


def parse(topic: str, body: bytes, *, received_at: datetime) -> list[StoreEvent]:
    """Return the order event in a signed body. Raises Unreadable, Ignored. Ids stay text, since they exceed 2^53."""
    with reading("order event"):
        data = json_of(body)
        kind = data["type"]
        order = data["data"]["order"]
        known = isinstance(kind, str) and kind.removeprefix("order.") in EVENTS and kind.startswith("order.")
        if not known:
            raise Ignored("the type of this event is not one of order.placed, paid, fulfilled, …")
        return [_event(kind.removeprefix("order."), data, order)]


def _event(kind: str, data: dict[str, Any], order: dict[str, Any]) -> OrderEvent:
    external_id = id_of(order.get("id"), "the order")
    at = moment(data.get("timestamp")) or moment(order.get("updated_at"))
    if at is None:
        raise Unreadable("the event has no timestamp")
    moments = {kind: at}
    if kind not in (CANCELLED, REFUNDED):
        # Any other event implies that the order was placed, even if that webhook never arrived.
        moments[PLACED] = moment(order.get("placed_at")) or at
    attributes = named_values(order.get("attributes"))
    currency = text(order.get("currency"))[:3].upper()
    return OrderEvent(
        at=at,
        external_id=external_id,
        moments=moments,
        number=text(order.get("number")) or external_id,
        email=text(order.get("email")),
        customer_id=text(order.get("customer_id"))[:MAX_ID],
        locale=text(order.get("locale")),
        timezone=text(order.get("timezone"))[:64],
        currency=currency,
        total=minor_units(order.get("total"), currency),
        accepts_marketing=flag(order.get("accepts_marketing")),
        test=flag(order.get("test")) is True,
        lines=tuple(_line(line, currency) for line in lines_of(order, "lines")),
        visit=visit_in(attributes),
    )


def _line(line: dict[str, Any], currency: str) -> OrderLine:
    return OrderLine(
        line_id=line_text(line, "line_id"),
        sku=line_text(line, "sku"),
        product_id=line_text(line, "product_id"),
        variant_id=line_text(line, "variant_id"),
        title=line_text(line, "title", 300),
        quantity=line_quantity(line),
        price=line_price(line, currency, minor_units),
    )
