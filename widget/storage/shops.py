"""Shops: the tenants."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Text, event, false, select
from sqlalchemy.orm import Mapped, Session, mapped_column, object_session

from widget.storage.database import Table, Utc

BOTH_GOOD_FOR = timedelta(days=1)
"""After a rotation, the store has this long to switch to the new webhook secret."""


class Shop(Table):
    """A shop. ``encrypted_secrets`` are its webhook secrets, newest first, encrypted with SECRET_KEYS.

    ``quiet_from`` and ``quiet_to`` are HH:MM in ``timezone``, empty for none; ``emails_per_day`` 0 means no limit.
    """

    __tablename__ = "shops"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text, default="")
    currency: Mapped[str] = mapped_column(Text, default="USD")
    timezone: Mapped[str] = mapped_column(Text, default="UTC")
    postal_address: Mapped[str] = mapped_column(Text, default="")
    cart: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    encrypted_secrets: Mapped[list[str]] = mapped_column(JSON, default=list)
    secrets_rotated_at: Mapped[datetime | None] = mapped_column(Utc)
    """When the newest secret was added to an older one; None if there was no rotation, and all secrets are valid."""
    paused: Mapped[bool] = mapped_column(default=False)
    quiet_from: Mapped[str] = mapped_column(Text, default="", server_default="")
    quiet_to: Mapped[str] = mapped_column(Text, default="", server_default="")
    emails_per_day: Mapped[int] = mapped_column(default=0, server_default="0")
    soft_opt_in: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether buyers who were never asked get emails on similar products, where their market's law allows that."""
    approval: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether publishing requires approval by a second person."""
    catalog_revision: Mapped[int] = mapped_column(default=0)
    revision: Mapped[int] = mapped_column(default=0, server_default="0")
    """Incremented with each change of this row, so that caches need not compare columns."""
    created_at: Mapped[datetime] = mapped_column(Utc)


@event.listens_for(Shop, "before_update")
def _next_revision(mapper: Any, connection: Any, shop: Shop) -> None:
    session = object_session(shop)
    if session is not None and session.is_modified(shop):
        shop.revision = (shop.revision or 0) + 1


def good_secrets(shop: Shop, now: datetime) -> list[str]:
    """Return the encrypted secrets that are currently valid for signing deliveries, newest first."""
    rotated = shop.secrets_rotated_at
    over = rotated is not None and now - rotated >= BOTH_GOOD_FOR
    return list(shop.encrypted_secrets[:1] if over else shop.encrypted_secrets)


def shop_by_slug(session: Session, slug: str, *, lock: bool = False) -> Shop | None:
    query = select(Shop).where(Shop.slug == slug)
    return session.scalar(query.with_for_update() if lock else query)
