"""Email events from providers, by the keyed hash of the address."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Text, UniqueConstraint, delete, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.domain.email.email_event import BLOCKED, HARD_BOUNCE, SOFT_BOUNCE
from widget.storage.database import Table, Utc
from widget.storage.inserts import insert_or_ignore


class EmailEvent(Table):
    """An event of an address. ``kind``: a code of widget.domain.email.email_event. ``event_id`` identifies replays."""

    __tablename__ = "email_events"
    __table_args__ = (
        UniqueConstraint("shop_id", "event_id"),
        Index("ix_email_events_shop_id_address_hash_at", "shop_id", "address_hash", "at"),
        Index("ix_email_events_at", "at"),
        Index("ix_email_events_shop_id_at", "shop_id", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    address_hash: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    event_id: Mapped[str] = mapped_column(Text)
    category: Mapped[str] = mapped_column(Text, default="")
    """Of a bounce: a code of widget.domain.email.bounce_category."""
    cause: Mapped[str] = mapped_column(Text, default="")
    """What a refusal names, such as ``dmarc``."""
    provider: Mapped[str] = mapped_column(Text, default="")
    """The domain that refused, such as ``google.com``; only for refusals."""
    at: Mapped[datetime] = mapped_column(Utc)


def add_email_event(session: Session, row: dict[str, Any]) -> bool:
    """Store an email event; return False if it is already stored."""
    return insert_or_ignore(session, EmailEvent, row, ("shop_id", "event_id"))


def last_email_events(session: Session, shop_id: int, address_hash: str, many: int) -> list[str]:
    """Return the kinds of an address's latest email events, newest first."""
    query = select(EmailEvent.kind).where(EmailEvent.shop_id == shop_id, EmailEvent.address_hash == address_hash)
    return list(session.scalars(query.order_by(EmailEvent.at.desc(), EmailEvent.id.desc()).limit(many)))


def forget_bounces(session: Session, shop_id: int, address_hash: str) -> None:
    """Delete an address's bounces, so that they no longer count against it."""
    mine = (EmailEvent.shop_id == shop_id, EmailEvent.address_hash == address_hash)
    session.execute(delete(EmailEvent).where(*mine, EmailEvent.kind.in_((SOFT_BOUNCE, HARD_BOUNCE))))


@dataclass(frozen=True, slots=True)
class Refusal:
    """Refusals with one cause: their number, the domains that refused, and the latest time."""

    cause: str
    count: int
    providers: tuple[str, ...]
    last_at: datetime


def event_counts(session: Session, shop_id: int, since: datetime) -> dict[str, int]:
    """Return the number of a shop's email events by kind."""
    mine = (EmailEvent.shop_id == shop_id, EmailEvent.at >= since)
    query = select(EmailEvent.kind, func.count()).where(*mine).group_by(EmailEvent.kind)
    return {name: int(number) for name, number in session.execute(query)}


def count_refusals(session: Session, shop_id: int, since: datetime) -> int:
    """Return the number of a shop's emails that were refused because of the sender or the content."""
    mine = (EmailEvent.shop_id == shop_id, EmailEvent.kind == BLOCKED, EmailEvent.at >= since)
    return session.scalar(select(func.count()).select_from(EmailEvent).where(*mine)) or 0


def refusals_of(session: Session, shop_id: int, since: datetime) -> list[Refusal]:
    """Return the shop's refusals by cause, the most frequent first. ``providers``: the most frequent first."""
    mine = (EmailEvent.shop_id == shop_id, EmailEvent.kind == BLOCKED, EmailEvent.at >= since)
    query = select(EmailEvent.cause, EmailEvent.provider, func.count(), func.max(EmailEvent.at)).where(*mine)
    rows = session.execute(query.group_by(EmailEvent.cause, EmailEvent.provider)).all()
    causes: dict[str, list[tuple[int, str, datetime]]] = {}
    for cause, provider, count, last in rows:
        at = last if last.tzinfo else last.replace(tzinfo=UTC)
        causes.setdefault(cause, []).append((count, provider, at))
    found = [
        Refusal(
            cause,
            sum(count for count, _, _ in group),
            tuple(provider for _, provider, _ in sorted(group, key=lambda item: (-item[0], item[1])) if provider),
            max(at for _, _, at in group),
        )
        for cause, group in causes.items()
    ]
    return sorted(found, key=lambda refusal: (-refusal.count, refusal.cause))
