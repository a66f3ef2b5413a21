"""Email events from providers, by the keyed hash of the address."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc
from widget.storage.inserts import insert_or_ignore


class EmailEvent(Table):
    """An event of an address. ``kind``: a code of widget.domain.email.email_event. ``event_id`` identifies replays."""

    __tablename__ = "email_events"
    __table_args__ = (
        UniqueConstraint("shop_id", "event_id"),
        Index("ix_email_events_shop_id_address_hash_at", "shop_id", "address_hash", "at"),
        Index("ix_email_events_at", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    address_hash: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    event_id: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Utc)


def add_email_event(session: Session, row: dict[str, Any]) -> bool:
    """Store an email event; return False if it is already stored."""
    return insert_or_ignore(session, EmailEvent, row, ("shop_id", "event_id"))


def last_email_events(session: Session, shop_id: int, address_hash: str, many: int) -> list[str]:
    """Return the kinds of an address's latest email events, newest first."""
    query = select(EmailEvent.kind).where(EmailEvent.shop_id == shop_id, EmailEvent.address_hash == address_hash)
    return list(session.scalars(query.order_by(EmailEvent.at.desc(), EmailEvent.id.desc()).limit(many)))
