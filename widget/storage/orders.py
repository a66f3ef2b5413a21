"""Orders, merged from the webhooks received so far."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, ForeignKey, Index, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc

FORGOTTEN = "forgotten"
"""In ``field_timestamps``: the buyer was forgotten, and nothing of them is taken in again."""


class Order(Table):
    """An order with the moment of each event known of it. ``total`` in minor units.

    ``eligible`` False: a red flag was given, so no product email follows. No answers are kept here.
    ``quiz`` to ``direct``: what a completed quiz had to do with it (domain/attribution.py); None: nothing.
    ``completed_at`` is its day alone. ``customer_id`` is the store's own id of the buyer. ``refunds``: refund id
    to {at, lines: {line id: quantity}, amount}. ``field_timestamps``: column to the moment (s since 1970) of its value.
    """

    __tablename__ = "orders"
    __table_args__ = (
        UniqueConstraint("shop_id", "external_id"),
        Index("ix_orders_contact_id", "contact_id"),
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
    """What was paid back of ``total``, as far as refunds told their amounts."""
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
    """The columns of an order whose buyer is forgotten: its moments and sums stay."""
    buyer: dict[str, Any] = {"contact_id": None, "customer_id": "", "timezone": "", "lines": [], "number": ""}
    return {**buyer, "field_timestamps": {FORGOTTEN: True}}


def order_by_external_id(session: Session, shop_id: int, external_id: str, *, lock: bool = False) -> Order | None:
    """An order by its store's id; locked for change where two webhooks of it may come at once."""
    query = select(Order).where(Order.shop_id == shop_id, Order.external_id == external_id)
    return session.scalar(query.with_for_update() if lock else query)


def count_orders(session: Session, shop_id: int, contact_id: int) -> int:
    """How many orders of a contact stand, cancelled ones left out."""
    query = (
        select(func.count())
        .select_from(Order)
        .where(Order.shop_id == shop_id, Order.contact_id == contact_id, Order.cancelled_at.is_(None))
    )
    return int(session.scalar(query) or 0)


def later_orders(session: Session, order: Order, limit: int = 50) -> list[Order]:
    """Orders of the same contact placed after this one, that stand."""
    query = select(Order).where(Order.shop_id == order.shop_id, Order.contact_id == order.contact_id)
    query = query.where(Order.id != order.id, Order.placed_at > order.placed_at, Order.cancelled_at.is_(None))
    return list(session.scalars(query.where(Order.refunded_at.is_(None)).limit(limit)))


def orders_of(
    session: Session, shop_id: int, *, number: str = "", before: int | None = None, limit: int = 25
) -> list[Order]:
    """A shop's orders, the newest first; ``number``: only those whose number starts so."""
    query = select(Order).where(Order.shop_id == shop_id)
    if number:
        query = query.where(Order.number.startswith(number, autoescape=True))
    if before is not None:
        query = query.where(Order.id < before)
    return list(session.scalars(query.order_by(Order.id.desc()).limit(limit)))
