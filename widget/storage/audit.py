"""Who did what in the console, and when. Rows are added; the database itself refuses to change or delete them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ForeignKey, Index, Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc


class AuditEntry(Table):
    """``what`` is a code (``signed_in``, ``draft_changed``, ``published`` …), ``about`` says it in words."""

    __tablename__ = "audit_log"
    __table_args__ = (Index("ix_audit_log_shop_id_id", "shop_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    at: Mapped[datetime] = mapped_column(Utc)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    who: Mapped[str] = mapped_column(Text, default="")
    what: Mapped[str] = mapped_column(Text)
    about: Mapped[str] = mapped_column(Text, default="")


def note(
    session: Session, *, shop_id: int, at: datetime, who: str, what: str, about: str = "", person_id: int | None = None
) -> None:
    """Add an entry; in the transaction of what it tells of, so that neither is there without the other."""
    entry = AuditEntry(shop_id=shop_id, at=at, person_id=person_id, who=who[:200], what=what, about=about[:500])
    session.add(entry)


def entries(
    session: Session,
    shop_id: int,
    *,
    before: int | None = None,
    limit: int = 100,
    who: str = "",
    kinds: Collection[str] = (),
) -> list[AuditEntry]:
    """The newest first; ``before``: only those older than this id; ``kinds``: only these codes."""
    query = select(AuditEntry).where(AuditEntry.shop_id == shop_id)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    if who:
        query = query.where(AuditEntry.who == who)
    if kinds:
        query = query.where(AuditEntry.what.in_(kinds))
    return list(session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit)))


def everybody(session: Session, shop_id: int) -> list[str]:
    """Who stands in the log of a shop."""
    return sorted(session.scalars(select(AuditEntry.who).where(AuditEntry.shop_id == shop_id).distinct()))


def last_entry(session: Session, shop_id: int, kinds: Collection[str]) -> AuditEntry | None:
    """The newest of these kinds."""
    return next(iter(entries(session, shop_id, limit=1, kinds=kinds)), None)
