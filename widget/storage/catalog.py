"""A shop's catalog: product data from the store, and blocked products."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Text, UniqueConstraint, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc
from widget.storage.shops import Shop


class StoredProduct(Table):
    """A product. ``feed``: the store's latest data (name, price in minor units, stock, …); ``blocked``: never shown."""

    __tablename__ = "products"
    __table_args__ = (UniqueConstraint("shop_id", "sku"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    sku: Mapped[str] = mapped_column(Text)
    feed: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    blocked: Mapped[bool] = mapped_column(default=False)
    block_reason: Mapped[str] = mapped_column(Text, default="")
    updated_at: Mapped[datetime] = mapped_column(Utc)


def stored_catalog(session: Session, shop_id: int) -> tuple[dict[str, dict[str, Any]], frozenset[str]]:
    """Return (store data by SKU, blocked SKUs)."""
    rows = list(session.scalars(select(StoredProduct).where(StoredProduct.shop_id == shop_id)))
    return {row.sku: row.feed for row in rows}, frozenset(row.sku for row in rows if row.blocked)


def stored_product(session: Session, shop_id: int, sku: str) -> StoredProduct | None:
    return session.scalar(select(StoredProduct).where(StoredProduct.shop_id == shop_id, StoredProduct.sku == sku))


def bump_revision(session: Session, shop_id: int) -> None:
    """Increment the catalog revision, so that caches notice the change."""
    session.execute(update(Shop).where(Shop.id == shop_id).values(catalog_revision=Shop.catalog_revision + 1))


def stored_products(session: Session, shop_id: int) -> list[StoredProduct]:
    return list(session.scalars(select(StoredProduct).where(StoredProduct.shop_id == shop_id)))
