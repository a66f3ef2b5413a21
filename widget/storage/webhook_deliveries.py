"""Webhook deliveries, stored raw before they are processed."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, Text, UniqueConstraint, func, or_, select
from sqlalchemy.orm import Mapped, Session, defer, mapped_column

from widget.storage.database import Table, Utc
from widget.storage.inserts import insert_or_ignore

DELIVERY_WAITING, DELIVERY_DONE, DELIVERY_FAILED = "waiting", "done", "failed"
DELIVERY_IGNORED = "ignored"
"""It has nothing for us: another topic, or the platform's own test. ``error`` says which."""


class WebhookDelivery(Table):
    """A verified delivery about ``topic``. ``event_id`` is the sender's id, which identifies repeats."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        UniqueConstraint("shop_id", "source", "event_id"),
        Index("ix_webhook_deliveries_state_id", "state", "id"),
        Index("ix_webhook_deliveries_shop_id_source_digest", "shop_id", "source", "digest"),
        Index("ix_webhook_deliveries_received_at", "received_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    source: Mapped[str] = mapped_column(Text)
    event_id: Mapped[str] = mapped_column(Text)
    topic: Mapped[str] = mapped_column(Text, default="", server_default="")
    body: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(Text, default=DELIVERY_WAITING)
    error: Mapped[str] = mapped_column(Text, default="")
    received_at: Mapped[datetime] = mapped_column(Utc)
    done_at: Mapped[datetime | None] = mapped_column(Utc)
    digest: Mapped[str] = mapped_column(Text, default="", server_default="")
    """Digest of the body alone: the same bytes under another topic or id are also a repeat."""
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    retry_at: Mapped[datetime | None] = mapped_column(Utc)
    """Earliest time of the next attempt; None: at once."""


def add_webhook_delivery(
    session: Session,
    *,
    shop_id: int,
    source: str,
    event_id: str,
    body: bytes,
    at: datetime,
    topic: str = "",
    digest: str = "",
) -> bool:
    """Store a delivery; return False if it was already stored. Safe when fifty copies arrive at once."""
    row = {"shop_id": shop_id, "source": source, "event_id": event_id, "topic": topic, "body": body, "received_at": at}
    row["digest"] = digest
    return insert_or_ignore(session, WebhookDelivery, row, ("shop_id", "source", "event_id"))


def seen_since(session: Session, *, shop_id: int, source: str, digest: str, since: datetime) -> bool:
    """Return whether the same body was received from this source since that moment."""
    same = (
        WebhookDelivery.shop_id == shop_id,
        WebhookDelivery.source == source,
        WebhookDelivery.digest == digest,
        WebhookDelivery.received_at >= since,
    )
    return session.scalar(select(WebhookDelivery.id).where(*same).limit(1)) is not None


def waiting_webhooks(session: Session, now: datetime, limit: int) -> list[int]:
    """Return the ids of deliveries to process now, oldest first.

    A delivery that failed is not at the head of the queue: it is retried at its own time.
    """
    due = (
        WebhookDelivery.state == DELIVERY_WAITING,
        or_(WebhookDelivery.retry_at.is_(None), WebhookDelivery.retry_at <= now),
    )
    return list(session.scalars(select(WebhookDelivery.id).where(*due).order_by(WebhookDelivery.id).limit(limit)))


def webhook_deliveries_of(
    session: Session, shop_id: int, *, state: str = "", before: int | None = None, limit: int = 25
) -> list[WebhookDelivery]:
    """Return a shop's deliveries, newest first, without their bodies."""
    query = select(WebhookDelivery).where(WebhookDelivery.shop_id == shop_id).options(defer(WebhookDelivery.body))
    if state:
        query = query.where(WebhookDelivery.state == state)
    if before is not None:
        query = query.where(WebhookDelivery.id < before)
    return list(session.scalars(query.order_by(WebhookDelivery.id.desc()).limit(limit)))


def count_failed(session: Session, shop_id: int) -> int:
    query = (
        select(func.count())
        .select_from(WebhookDelivery)
        .where(WebhookDelivery.shop_id == shop_id, WebhookDelivery.state == DELIVERY_FAILED)
    )
    return int(session.scalar(query) or 0)


def delivery_by_id(session: Session, shop_id: int, delivery_id: int) -> WebhookDelivery | None:
    """Return a delivery of this shop."""
    wanted = (WebhookDelivery.id == delivery_id, WebhookDelivery.shop_id == shop_id)
    return session.scalar(select(WebhookDelivery).where(*wanted))
