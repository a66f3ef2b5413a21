"""Take a hook in: verify its raw bytes, store them, and say thank you. The work comes later."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from widget.actions.errors import UnknownShop
from widget.actions.fetch_certificate import fetch_certificate
from widget.domain.delivery import BadSignature, Delivery
from widget.email.reports.carriers import CARRIERS, Fetch
from widget.nudges import WEBHOOKS, nudge
from widget.seals import WEBHOOK_SECRET, Forged
from widget.services import Services
from widget.storage.connections import connection_of
from widget.storage.hooks import add_hook, seen_since
from widget.storage.shops import Shop, good_secrets, shop_by_slug
from widget.stores.platforms import ORDERS, PLATFORMS
from widget.telemetry import HOOKS

SAME_BODY_FOR = timedelta(days=2)
"""For so long the same bytes are a repeat, whatever topic and id come with them: neither is signed."""
MAIL = "mail/"
"""Doors of mail carriers are called ``mail/ses`` and so on."""


def receive_hook(services: Services, *, shop: str, headers: Mapping[str, str], body: bytes, door: str = ORDERS) -> bool:
    """Store a store's signed delivery; False when it is a repeat. Raises UnknownShop, BadSignature.

    The real clock counts for the signature, not the movable one: the sender has signed by it.
    """

    def verified(known: list[str]) -> Delivery:
        return PLATFORMS[door].verify(headers, body, known_secrets=known, now=datetime.now(UTC))

    return _taken(services, shop, door, verified)


def receive_report(
    services: Services, *, shop: str, headers: Mapping[str, str], body: bytes, carrier: str, fetch: Fetch | None = None
) -> bool:
    """Store a mail carrier's report likewise. ``fetch`` gets a certificate; it is for tests. Raises as above."""
    door = MAIL + carrier

    def verified(known: list[str]) -> Delivery:
        return CARRIERS[carrier].verify(headers, body, known=known, fetch=fetch or fetch_certificate)

    return _taken(services, shop, door, verified)


def _taken(services: Services, shop: str, door: str, verified: Callable[[list[str]], Delivery]) -> bool:
    """What is known of a shop's secrets is kept for a second; who does not fit them gets a second, fresh look."""
    key = (shop, door, int(services.now().timestamp()))
    kept = services.hook_secrets.get(key)
    if kept is not None:
        try:
            return _store(services, kept[0], door, verified(kept[1]))
        except BadSignature:
            pass
    shop_id, known = _secrets(services, shop, door)
    delivery = verified(known)
    services.hook_secrets.put(key, (shop_id, known))
    return _store(services, shop_id, door, delivery)


def _secrets(services: Services, shop: str, door: str) -> tuple[int, list[str]]:
    with services.reads() as session:
        owner = shop_by_slug(session, shop)
        if owner is None:
            raise UnknownShop("there is no such shop")
        sealed = _sealed(services, session, owner, door)
    known = []
    for each in sealed:
        try:
            known.append(services.seals.unseal(each, WEBHOOK_SECRET))
        except Forged:
            continue  # Sealed with a key that is gone: as if it had not been given.
    return owner.id, known


def _sealed(services: Services, session: Session, owner: Shop, door: str) -> list[str]:
    if door == ORDERS:
        return good_secrets(owner, services.now())
    connection = connection_of(session, owner.id, door.removeprefix(MAIL))
    return connection.good_secrets(services.now()) if connection else []


def _store(services: Services, shop_id: int, door: str, delivery: Delivery) -> bool:
    now, digest = services.now(), hashlib.sha256(delivery.body).hexdigest()
    with services.sessions.begin() as session:
        fresh = not seen_since(
            session, shop_id=shop_id, door=door, digest=digest, since=now - SAME_BODY_FOR
        ) and add_hook(
            session,
            shop_id=shop_id,
            door=door,
            event_id=delivery.event_id,
            topic=delivery.topic,
            body=delivery.body,
            digest=digest,
            at=now,
        )
        if fresh:
            nudge(session, WEBHOOKS)
    HOOKS.labels(door, "stored" if fresh else "repeat").inc()
    return fresh
