"""Standard Webhooks 1.0.0: how a generic store signs, and how its orders read.

Source: the Standard Webhooks specification: signed text ``id.timestamp.body``, header ``webhook-signature`` a list
of ``v1,<base64 HMAC-SHA256>``, secrets ``whsec_`` + base64 of 24 to 64 bytes, five minutes of tolerance.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from widget.domain.order import EVENTS, OrderEvent, OrderLine

TOLERANCE = 300
MOST_ID = 255


class BadSignature(Exception):
    """A delivery that its secret did not sign, or not lately."""

    code = "bad_signature"


class Unreadable(ValueError):
    """A signed body that is no order of the kind we know."""

    code = "unreadable_order"


@dataclass(frozen=True, slots=True)
class Delivery:
    event_id: str
    body: bytes


def new_secret() -> str:
    """A fresh secret: 32 random bytes."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def sign(secret: str, event_id: str, timestamp: int, body: bytes) -> str:
    """The signature of a delivery, ``v1,…``."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    text = f"{event_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()


def verify(headers: Mapping[str, str], body: bytes, *, known_secrets: Sequence[str], now: datetime) -> Delivery:
    """The delivery, if one of the secrets signed it in the last five minutes. Raises BadSignature.

    Every secret is tried, in constant time each: during a rotation both the old and the new one are good.
    """
    event_id = headers.get("webhook-id", "")
    given = headers.get("webhook-signature", "").split()
    stamp = headers.get("webhook-timestamp", "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise BadSignature("no readable webhook-timestamp")
    timestamp = int(stamp)
    if not event_id or len(event_id) > MOST_ID or not given or len(given) > 16:
        raise BadSignature("webhook-id or webhook-signature is missing")
    if abs(now.timestamp() - timestamp) > TOLERANCE:
        raise BadSignature("webhook-timestamp is more than five minutes away")
    good = False
    for secret in known_secrets:
        wanted = sign(secret, event_id, timestamp, body).encode()
        for each in given:
            good |= hmac.compare_digest(wanted, each.encode())
    if not good:
        raise BadSignature("no signature fits")
    return Delivery(event_id, body)


def parse(body: bytes) -> OrderEvent:
    """What a signed body says happened to an order. Raises Unreadable. Ids stay text: they exceed 2^53."""
    try:
        data = json.loads(body, parse_int=str, parse_float=str)
        kind = data["type"]
        order = data["data"]["order"]
        known = isinstance(kind, str) and kind.removeprefix("order.") in EVENTS and kind.startswith("order.")
        if not known:
            raise Unreadable("the type of this event is not one of order.placed, paid, fulfilled, …")
        return _event(kind.removeprefix("order."), data, order)
    except Unreadable:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, RecursionError) as error:
        raise Unreadable(f"the body is no order event ({type(error).__name__})") from error


def _event(kind: str, data: dict[str, Any], order: dict[str, Any]) -> OrderEvent:
    external_id = _text(order.get("id"))
    if not external_id:
        raise Unreadable("the order has no id")
    if len(external_id.encode()) > MOST_ID:
        raise Unreadable(f"the order's id is over {MOST_ID} bytes")
    at = _moment(data.get("timestamp")) or _moment(order.get("updated_at"))
    if at is None:
        raise Unreadable("the event has no timestamp")
    currency = _text(order.get("currency"))
    attributes = order.get("attributes") or {}
    if isinstance(attributes, list):
        attributes = {each.get("name"): each.get("value") for each in attributes if isinstance(each, dict)}
    return OrderEvent(
        kind=kind,
        at=at,
        external_id=external_id,
        number=_text(order.get("number")) or external_id,
        email=_text(order.get("email")),
        locale=_text(order.get("locale")),
        currency=currency,
        total=_minor_units(order.get("total")),
        placed_at=_moment(order.get("placed_at")),
        accepts_marketing=_flag(order.get("accepts_marketing")),
        test=_flag(order.get("test")) is True,
        lines=tuple(_line(each) for each in order.get("lines") or ()),
        visit=_text(attributes.get("recovery_quiz"))[:64],
    )


def _line(line: dict[str, Any]) -> OrderLine:
    quantity = _text(line.get("quantity")) or "1"
    if not quantity.isdigit() or len(quantity) > 6:
        raise Unreadable("a line has a quantity that is no whole number")
    return OrderLine(
        line_id=_text(line.get("line_id")),
        sku=_text(line.get("sku")),
        product_id=_text(line.get("product_id")),
        variant_id=_text(line.get("variant_id")),
        title=_text(line.get("title"))[:300],
        quantity=int(quantity),
        price=_minor_units(line.get("price")),
    )


def _text(value: Any) -> str:
    text = "" if value is None or isinstance(value, bool) else str(value)
    if "\x00" in text:
        raise Unreadable("a text holds a NUL character")
    return text.strip()[:1000]


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _moment(value: Any) -> datetime | None:
    if not isinstance(value, str) or not value:
        return None
    if value.isdigit() and len(value) < 12:
        return datetime.fromtimestamp(int(value), UTC)
    moment = datetime.fromisoformat(value)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _minor_units(value: Any) -> int | None:
    """Minor units from minor units (``2400``) or from a decimal text (``"24.00"``)."""
    if value is None or isinstance(value, bool) or value == "":
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        raise Unreadable("an amount is no number") from error
    if not amount.is_finite() or abs(amount) > 10**12:
        raise Unreadable("an amount is no number")
    return int(amount * 100) if "." in str(value) else int(amount)
