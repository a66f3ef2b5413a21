"""Look up the shop that an action concerns."""

from __future__ import annotations

from sqlalchemy.orm import Session

from widget.actions.errors import UnknownShop
from widget.storage.shops import Shop, shop_by_slug


def require_shop(session: Session, slug: str, *, lock: bool = False) -> Shop:
    """Return the shop with this slug; ``lock`` locks its row until the transaction ends. Raises UnknownShop."""
    shop = shop_by_slug(session, slug, lock=lock)
    if shop is None:
        raise UnknownShop(f"There is no shop '{slug}'.")
    return shop
