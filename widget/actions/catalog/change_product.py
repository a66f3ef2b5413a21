"""Update a product of the catalog from the store's feed, or block it."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from widget.actions.errors import ActionError
from widget.actions.require_shop import require_shop
from widget.domain.engine.catalog import FROM_FEEDS
from widget.services import Services
from widget.storage import audit
from widget.storage.catalog import StoredProduct, bump_revision, stored_product
from widget.storage.content import live_quizzes
from widget.storage.shops import Shop
from widget.storage.users import User


class BadProduct(ActionError):
    code = "bad_product"


def change_product(
    services: Services,
    *,
    shop: str,
    sku: str,
    feed: dict[str, Any] | None = None,
    blocked: bool | None = None,
    reason: str = "",
    by: User | None = None,
) -> None:
    """Store values from the feed (keys of FROM_FEEDS), or block or unblock the product.

    Results reflect the change within 5 s. With ``by``, a change of ``blocked`` is recorded in the audit log.

    Raises UnknownShop, BadProduct.
    """
    unknown = set(feed or {}) - set(FROM_FEEDS)
    if unknown:
        raise BadProduct(f"a feed cannot set {', '.join(sorted(unknown))}")
    with services.sessions.begin() as session:
        owner = require_shop(session, shop)
        if not _known(services, session, owner, sku):
            raise BadProduct(f"no live quiz of shop '{shop}' has a product {sku!r}")
        row = stored_product(session, owner.id, sku)
        if row is None:
            row = StoredProduct(
                shop_id=owner.id, sku=sku, feed={}, blocked=False, block_reason="", updated_at=services.now()
            )
            session.add(row)
        row.feed = {**row.feed, **(feed or {})}
        if blocked is not None:
            if by is not None and row.blocked != blocked:
                what = "product_blocked" if blocked else "product_unblocked"
                about, at = f"{sku}: {reason}" if reason else sku, services.now()
                audit.record(
                    session, shop_id=owner.id, at=at, user_id=by.id, actor=by.display_name, action=what, detail=about
                )
            row.blocked, row.block_reason = blocked, reason
        row.updated_at = services.now()
        bump_revision(session, owner.id)
    services.invalidate(f"{shop}/catalog")


def _known(services: Services, session: Session, shop: Shop, sku: str) -> bool:
    """Return whether the shop's catalog or one of its live quizzes has this product."""
    if stored_product(session, shop.id, sku):
        return True
    loaded = [services.quizzes.live(shop.slug, quiz) for quiz in live_quizzes(session, shop.id)]
    return any(item and sku in item.engine.rules.place for item in loaded)
