"""Verify and store webhook deliveries. A worker processes them later."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from widget.actions.require_shop import require_shop
from widget.actions.webhooks.fetch_certificate import fetch_certificate
from widget.crypto import WEBHOOK_SECRET, InvalidToken
from widget.domain.orders.webhook import BadSignature, VerifiedWebhook
from widget.email.events.providers import PROVIDERS, Fetch
from widget.nudges import WEBHOOKS, nudge
from widget.services import Services
from widget.storage.connections import connection_of
from widget.storage.shops import Shop, good_secrets
from widget.storage.webhook_deliveries import add_webhook_delivery, seen_since
from widget.stores.platforms import ORDERS, PLATFORMS
from widget.telemetry import WEBHOOKS_RECEIVED

SAME_BODY_FOR = timedelta(days=2)
"""Within this time, the same body is a repeat, whatever its topic and id, since neither is signed."""
MAIL = "mail/"
"""Prefix of email providers as sources: ``mail/ses`` and so on."""


def receive_webhook(
    services: Services, *, shop: str, headers: Mapping[str, str], body: bytes, source: str = ORDERS
) -> bool:
    """Verify and store a store's delivery; return False if it is a repeat. Raises UnknownShop, BadSignature.

    The signature's timestamp is compared with the real clock, not the movable one, since the sender used real time.
    """

    def verified(known: list[str]) -> VerifiedWebhook:
        return PLATFORMS[source].verify(headers, body, known_secrets=known, now=datetime.now(UTC))

    return _taken(services, shop, source, verified)


def receive_email_event(
    services: Services, *, shop: str, headers: Mapping[str, str], body: bytes, provider: str, fetch: Fetch | None = None
) -> bool:
    """Verify and store an email provider's report; return False if it is a repeat.

    ``fetch`` returns a certificate, for tests. Raises UnknownShop, BadSignature, CertificateUnavailable.
    """
    source = MAIL + provider

    def verified(known: list[str]) -> VerifiedWebhook:
        return PROVIDERS[provider].verify(headers, body, known=known, fetch=fetch or fetch_certificate)

    return _taken(services, shop, source, verified)


def _taken(services: Services, shop: str, source: str, verified: Callable[[list[str]], VerifiedWebhook]) -> bool:
    """Verify and store a delivery with the shop's secrets, which are cached for a second.

    A delivery that does not match cached secrets is verified again with secrets from the database.
    """
    key = (shop, source, int(services.now().timestamp()))
    kept = services.webhook_secrets.get(key)
    if kept is not None:
        try:
            return _store(services, kept[0], source, verified(kept[1]))
        except BadSignature:
            pass
    shop_id, known = _secrets(services, shop, source)
    delivery = verified(known)
    services.webhook_secrets.put(key, (shop_id, known))
    return _store(services, shop_id, source, delivery)


def _secrets(services: Services, shop: str, source: str) -> tuple[int, list[str]]:
    with services.reads() as session:
        owner = require_shop(session, shop)
        encrypted = _encrypted(services, session, owner, source)
    known = []
    for item in encrypted:
        try:
            known.append(services.crypto.decrypt(item, WEBHOOK_SECRET))
        except InvalidToken:
            continue  # Encrypted with a key that is gone: treat it as not set.
    return owner.id, known


def _encrypted(services: Services, session: Session, owner: Shop, source: str) -> list[str]:
    if source == ORDERS:
        return good_secrets(owner, services.now())
    connection = connection_of(session, owner.id, source.removeprefix(MAIL))
    return connection.good_secrets(services.now()) if connection else []


def _store(services: Services, shop_id: int, source: str, delivery: VerifiedWebhook) -> bool:
    now, digest = services.now(), hashlib.sha256(delivery.body).hexdigest()
    with services.sessions.begin() as session:
        fresh = not seen_since(
            session, shop_id=shop_id, source=source, digest=digest, since=now - SAME_BODY_FOR
        ) and add_webhook_delivery(
            session,
            shop_id=shop_id,
            source=source,
            event_id=delivery.event_id,
            topic=delivery.topic,
            body=delivery.body,
            digest=digest,
            at=now,
        )
        if fresh:
            nudge(session, WEBHOOKS)
    WEBHOOKS_RECEIVED.labels(source, "stored" if fresh else "repeat").inc()
    return fresh
