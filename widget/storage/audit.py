"""The audit log: who did what in the console, and when. The database rejects changes and deletions of its rows."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc


class AuditEntry(Table):
    """One entry of the audit log.

    ``action`` is a code (``signed_in``, ``draft_changed``, ``published``, …); ``detail`` describes its object in words.
    """

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_shop_id_id", "shop_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    at: Mapped[datetime] = mapped_column(Utc)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    actor: Mapped[str] = mapped_column(Text, default="")
    action: Mapped[str] = mapped_column(Text)
    detail: Mapped[str] = mapped_column(Text, default="")


def record(
    session: Session,
    *,
    shop_id: int,
    at: datetime,
    actor: str,
    action: str,
    detail: str = "",
    user_id: int | None = None,
) -> None:
    """Add an entry in the transaction of the change it describes, so that neither exists without the other."""
    entry = AuditEntry(shop_id=shop_id, at=at, user_id=user_id, actor=actor[:200], action=action, detail=detail[:500])
    session.add(entry)


def entries(
    session: Session,
    shop_id: int,
    *,
    before: int | None = None,
    limit: int = 100,
    actor: str = "",
    kinds: Collection[str] = (),
) -> list[AuditEntry]:
    """Return log entries, newest first. ``before``: only entries with a lower id; ``kinds``: only these actions."""
    query = select(AuditEntry).where(AuditEntry.shop_id == shop_id)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    if actor:
        query = query.where(AuditEntry.actor == actor)
    if kinds:
        query = query.where(AuditEntry.action.in_(kinds))
    return list(session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit)))


def actors(session: Session, shop_id: int) -> list[str]:
    """Return every actor in a shop's log."""
    return sorted(session.scalars(select(AuditEntry.actor).where(AuditEntry.shop_id == shop_id).distinct()))


def last_entry(session: Session, shop_id: int, kinds: Collection[str]) -> AuditEntry | None:
    """Return the newest entry with one of these actions."""
    return next(iter(entries(session, shop_id, limit=1, kinds=kinds)), None)
