"""Drafts, their changes, and the reports of their checks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.content import ContentVersion
from widget.storage.database import Table, Utc


class Draft(Table):
    """The files of a quiz being edited. ``base``: the version it started from; ``revision``: the number of edits."""

    __tablename__ = "drafts"
    __table_args__ = (UniqueConstraint("shop_id", "quiz"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    quiz: Mapped[str] = mapped_column(Text)
    base: Mapped[int]
    files: Mapped[dict[str, str]] = mapped_column(JSON)
    revision: Mapped[int] = mapped_column(default=0)
    changed_at: Mapped[datetime] = mapped_column(Utc)


class DraftChange(Table):
    """One edit. ``steps``: [{kind, record, before, after, follows, followed}]; ``undone_by``: the edit that undid it.

    ``records``: "kind/id" of each record it touched, delimited by line breaks so that one can be searched for.
    """

    __tablename__ = "draft_changes"
    __table_args__ = (UniqueConstraint("draft_id", "revision"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    draft_id: Mapped[int] = mapped_column(ForeignKey("drafts.id"))
    revision: Mapped[int]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    author: Mapped[str] = mapped_column(Text)
    summary: Mapped[str] = mapped_column(Text)
    steps: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    records: Mapped[str] = mapped_column(Text, default="")
    undone_by: Mapped[int | None]
    at: Mapped[datetime] = mapped_column(Utc)


class DraftReport(Table):
    """The report of the checks of one draft revision and of its comparison with the live version.

    ``state``: waiting (for a worker), running, done, or failed. The progress bar shows ``done`` of ``total`` questions.
    """

    __tablename__ = "draft_reports"
    __table_args__ = (UniqueConstraint("draft_id"), Index("ix_draft_reports_state", "state"))

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    draft_id: Mapped[int] = mapped_column(ForeignKey("drafts.id"))
    revision: Mapped[int]
    against: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[str] = mapped_column(Text)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    report: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    at: Mapped[datetime] = mapped_column(Utc)


class ScheduledPublish(Table):
    """A publish scheduled for a time, or one that awaits a second person's approval.

    ``state``: waiting, done, failed (see ``reason``), or dropped.
    """

    __tablename__ = "scheduled_publishes"
    __table_args__ = (Index("ix_scheduled_publishes_state_due_at", "state", "due_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    quiz: Mapped[str] = mapped_column(Text)
    number: Mapped[int]
    note: Mapped[str] = mapped_column(Text, default="")
    due_at: Mapped[datetime | None] = mapped_column(Utc)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    author: Mapped[str] = mapped_column(Text)
    approver_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    state: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime] = mapped_column(Utc)


def draft_of(session: Session, shop_id: int, quiz: str, *, lock: bool = False) -> Draft | None:
    query = select(Draft).where(Draft.shop_id == shop_id, Draft.quiz == quiz)
    return session.scalar(query.with_for_update() if lock else query)


def last_change(session: Session, draft_id: int, record: str | None = None) -> DraftChange | None:
    """Return the newest change that was not undone. ``record`` ("kind/id"): only changes to that record."""
    query = select(DraftChange).where(DraftChange.draft_id == draft_id, DraftChange.undone_by.is_(None))
    if record is not None:
        query = query.where(DraftChange.records.contains(f"\n{record}\n", autoescape=True))
    return session.scalar(query.order_by(DraftChange.revision.desc()).limit(1))


def changes_of(session: Session, draft_id: int, limit: int = 100) -> list[DraftChange]:
    query = select(DraftChange).where(DraftChange.draft_id == draft_id)
    return list(session.scalars(query.order_by(DraftChange.revision.desc()).limit(limit)))


def changed_lately(session: Session, draft_id: int, since: datetime, but: int) -> dict[str, str]:
    """Map "kind/id" to the author of its latest change since that moment, except changes by the user ``but``."""
    wanted = (DraftChange.draft_id == draft_id, DraftChange.at >= since, DraftChange.user_id != but)
    rows = session.execute(
        select(DraftChange.records, DraftChange.author).where(*wanted).order_by(DraftChange.revision)
    )
    return {record: who for records, who in rows for record in records.split("\n") if record}


def report_of(session: Session, draft_id: int) -> DraftReport | None:
    return session.scalar(select(DraftReport).where(DraftReport.draft_id == draft_id))


def scheduled_publishes_of(session: Session, shop_id: int, quiz: str, limit: int = 10) -> list[ScheduledPublish]:
    query = select(ScheduledPublish).where(ScheduledPublish.shop_id == shop_id, ScheduledPublish.quiz == quiz)
    return list(session.scalars(query.order_by(ScheduledPublish.id.desc()).limit(limit)))


def due_publishes(session: Session, now: datetime, limit: int = 20) -> list[int]:
    wanted = (ScheduledPublish.state == "waiting", ScheduledPublish.due_at.is_not(None), ScheduledPublish.due_at <= now)
    query = select(ScheduledPublish.id).where(*wanted).order_by(ScheduledPublish.due_at).limit(limit)
    return list(session.scalars(query))


def quizzes_of(session: Session, shop_id: int) -> list[str]:
    """Return the ids of the quizzes that have a version or a draft."""
    versions = select(ContentVersion.quiz).where(ContentVersion.shop_id == shop_id)
    return sorted(session.scalars(versions.union(select(Draft.quiz).where(Draft.shop_id == shop_id))))
