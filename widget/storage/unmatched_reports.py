"""Messages in the bounce mailbox that led to no email event: kept for a month, so that a person can read them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, LargeBinary, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc
from widget.storage.inserts import insert_or_ignore


class UnmatchedReport(Table):
    """A message and why it led to no event. ``encrypted_message`` holds its beginning, since it contains addresses."""

    __tablename__ = "unmatched_reports"
    __table_args__ = (UniqueConstraint("digest"), Index("ix_unmatched_reports_received_at", "received_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(Text)
    """SHA-256 of the whole message: one that is read again is stored once."""
    reason: Mapped[str] = mapped_column(Text)
    size: Mapped[int]
    encrypted_message: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[datetime] = mapped_column(Utc)


def add_unmatched_report(session: Session, row: dict[str, Any]) -> bool:
    """Store a message; return False if it is already stored."""
    return insert_or_ignore(session, UnmatchedReport, row, ("digest",))


def unmatched_reports(session: Session, limit: int) -> list[UnmatchedReport]:
    """Return the newest messages, newest first."""
    return list(session.scalars(select(UnmatchedReport).order_by(UnmatchedReport.id.desc()).limit(limit)))


def count_unmatched_reports(session: Session) -> dict[str, int]:
    """Return the number of messages by reason."""
    query = select(UnmatchedReport.reason, func.count()).group_by(UnmatchedReport.reason)
    return {name: int(number) for name, number in session.execute(query)}
