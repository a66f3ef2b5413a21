"""Shops: whose quiz, products, orders and letters these are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Text, false, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc


class Shop(Table):
    """A store. ``sealed_secrets`` are its hook secrets, newest first, sealed with SECRET_KEYS."""

    __tablename__ = "shops"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    url: Mapped[str] = mapped_column(Text, default="")
    locale: Mapped[str] = mapped_column(Text, default="en")
    currency: Mapped[str] = mapped_column(Text, default="USD")
    timezone: Mapped[str] = mapped_column(Text, default="UTC")
    postal_address: Mapped[str] = mapped_column(Text, default="")
    mail_from: Mapped[str] = mapped_column(Text, default="")
    cart: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    sealed_secrets: Mapped[list[str]] = mapped_column(JSON, default=list)
    paused: Mapped[bool] = mapped_column(default=False)
    approval: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether a second person must publish."""
    catalogue_revision: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime] = mapped_column(Utc)


def shop_by_slug(session: Session, slug: str) -> Shop | None:
    return session.scalar(select(Shop).where(Shop.slug == slug))
