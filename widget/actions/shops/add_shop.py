"""Add a shop, with its first webhook secret."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy.exc import IntegrityError

from widget.actions.errors import ActionError
from widget.crypto import WEBHOOK_SECRET
from widget.services import Services
from widget.storage.shops import Shop, shop_by_slug
from widget.stores.standard import new_secret

_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
TAKEN = frozenset(
    {"v1", "webhooks", "embed", "demo", "mailbox", "console", "u", "c", "p", "f", "l", "healthz", "readyz", "metrics"}
)


class BadShop(ActionError):
    code = "bad_shop"


def add_shop(services: Services, slug: str, **fields: Any) -> Shop:
    """Add a shop. Raises BadShop if the slug is taken or reserved, or cannot be used in a URL."""
    if not _SLUG.fullmatch(slug) or (slug in TAKEN and not (slug == "demo" and services.settings.local)):
        raise BadShop(f"'{slug}' cannot be a shop ID: use a-z, 0-9, and -, and no reserved word")
    try:
        return _add(services, slug, fields)
    except IntegrityError as error:  # Another request added it at the same moment.
        raise BadShop(f"a shop with the ID '{slug}' already exists") from error


def _add(services: Services, slug: str, fields: dict[str, Any]) -> Shop:
    with services.sessions.begin() as session:
        if shop_by_slug(session, slug):
            raise BadShop(f"a shop with the ID '{slug}' already exists")
        shop = Shop(
            slug=slug,
            created_at=services.now(),
            encrypted_secrets=[services.crypto.encrypt(new_secret(), WEBHOOK_SECRET)],
            **fields,
        )
        session.add(shop)
    return shop
