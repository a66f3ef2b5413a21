"""Take a hook in: verify its raw bytes, store them, and say thank you. The work comes later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from widget.actions.errors import UnknownShop
from widget.parts import Parts
from widget.storage.hooks import add_hook
from widget.storage.shops import good_secrets, shop_by_slug
from widget.stores.standard import verify
from widget.telemetry import HOOKS

ORDERS = "orders"


def receive_hook(parts: Parts, *, shop: str, headers: Mapping[str, str], body: bytes) -> bool:
    """Store a signed order hook; False when it is a repeat. Raises UnknownShop, BadSignature.

    The real clock counts for the signature, not the movable one: the sender has signed by it.
    """
    with parts.reads() as session:
        owner = shop_by_slug(session, shop)
        sealed = good_secrets(owner, parts.now()) if owner else []
    if owner is None:
        raise UnknownShop("there is no such shop")
    known = [parts.seals.unseal(each) for each in sealed]
    delivery = verify(headers, body, known_secrets=known, now=datetime.now(UTC))
    with parts.sessions.begin() as session:
        fresh = add_hook(session, shop_id=owner.id, door=ORDERS, event_id=delivery.event_id, body=body, at=parts.now())
    HOOKS.labels(ORDERS, "stored" if fresh else "repeat").inc()
    return fresh
