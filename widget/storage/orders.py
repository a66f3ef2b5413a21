"""Orders, merged from the webhooks received so far."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc

ERASED_MARK = "forgotten"
"""Key in ``field_timestamps``: the buyer was erased, and no data about them is stored again."""


class Order(Table):
    """An order with the moment of each known event. ``total`` is in minor units.

    ``eligible`` False: an answer was a red flag, so no product email follows. No answers are stored here.
    ``quiz`` to ``direct``: attribution to a completed quiz (domain/orders/attribution.py), None if there is none.
    ``completed_at`` holds only the day. ``customer_id`` is the store's id of the buyer. ``refunds`` maps a refund id
    to {at, lines: {line id: quantity}, amount}. ``field_timestamps`` maps a column to the time of its value (seconds
    since 1970).
    """

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("shop_id", "external_id"),
        Index("ix_orders_contact_id", "contact_id"),
        Index("ix_orders_updated_at", "updated_at", postgresql_using="brin"),
        Index("ix_orders_shop_id_customer_id", "shop_id", "customer_id"),
        Index("ix_orders_shop_id_quiz_placed_at", "shop_id", "quiz", "placed_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    external_id: Mapped[str] = mapped_column(Text)
    number: Mapped[str] = mapped_column(Text, default="")
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id"))
    customer_id: Mapped[str] = mapped_column(Text, default="", server_default="")
    timezone: Mapped[str] = mapped_column(Text, default="", server_default="")
    locale: Mapped[str] = mapped_column(Text, default="")
    currency: Mapped[str] = mapped_column(Text, default="")
    total: Mapped[int | None] = mapped_column(BigInteger)
    accepts_marketing: Mapped[bool | None]
    test: Mapped[bool] = mapped_column(default=False)
    eligible: Mapped[bool] = mapped_column(default=True)
    attributed: Mapped[bool] = mapped_column(default=False)
    lines: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)
    refunded: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    """Refunded part of ``total``, as far as refunds included their amounts."""
    refunds: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    field_timestamps: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict, server_default="{}")
    placed_at: Mapped[datetime | None] = mapped_column(Utc)
    paid_at: Mapped[datetime | None] = mapped_column(Utc)
    fulfilled_at: Mapped[datetime | None] = mapped_column(Utc)
    delivered_at: Mapped[datetime | None] = mapped_column(Utc)
    cancelled_at: Mapped[datetime | None] = mapped_column(Utc)
    refunded_at: Mapped[datetime | None] = mapped_column(Utc)
    updated_at: Mapped[datetime] = mapped_column(Utc)
    quiz: Mapped[str | None] = mapped_column(Text)
    quiz_version: Mapped[int | None]
    quiz_locale: Mapped[str | None] = mapped_column(Text)
    completed_at: Mapped[datetime | None] = mapped_column(Utc)
    direct: Mapped[bool | None]


def without_buyer() -> dict[str, Any]:
    """Return the column values that erase the buyer from an order; its moments and sums remain."""
    buyer: dict[str, Any] = {"contact_id": None, "customer_id": "", "timezone": "", "lines": [], "number": ""}
    return {**buyer, "field_timestamps": {ERASED_MARK: True}}


def order_by_external_id(session: Session, shop_id: int, external_id: str, *, lock: bool = False) -> Order | None:
    """Return an order by the store's id. Use ``lock`` where two webhooks for it may be processed at once."""
    query = select(Order).where(Order.shop_id == shop_id, Order.external_id == external_id)
    return session.scalar(query.with_for_update() if lock else query)


def count_orders(session: Session, shop_id: int, contact_id: int) -> int:
    """Count the orders of a contact, excluding canceled ones."""
    query = (
        select(func.count())
        .select_from(Order)
        .where(Order.shop_id == shop_id, Order.contact_id == contact_id, Order.cancelled_at.is_(None))
    )
    return int(session.scalar(query) or 0)


def later_orders(session: Session, order: Order, limit: int = 50) -> list[Order]:
    """Return the contact's orders placed after this one, excluding canceled and refunded ones."""
    query = select(Order).where(Order.shop_id == order.shop_id, Order.contact_id == order.contact_id)
    query = query.where(Order.id != order.id, Order.placed_at > order.placed_at, Order.cancelled_at.is_(None))
    return list(session.scalars(query.where(Order.refunded_at.is_(None)).limit(limit)))


def orders_of(
    session: Session, shop_id: int, *, number: str = "", before: int | None = None, limit: int = 25
) -> list[Order]:
    """Return a shop's orders, newest first. ``number``: only those whose number starts with it."""
    query = select(Order).where(Order.shop_id == shop_id)
    if number:
        query = query.where(Order.number.startswith(number, autoescape=True))
    if before is not None:
        query = query.where(Order.id < before)
    return list(session.scalars(query.order_by(Order.id.desc()).limit(limit)))
