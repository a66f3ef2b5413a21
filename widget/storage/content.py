"""Immutable content versions, and the pointer to the live one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Row, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc


class ContentVersion(Table):
    """An immutable content version: the canonical files of its pack, and the highest score of each product."""

    __tablename__ = "content_versions"
    __table_args__ = (UniqueConstraint("shop_id", "quiz", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    quiz: Mapped[str] = mapped_column(Text)
    number: Mapped[int]
    files: Mapped[dict[str, str]] = mapped_column(JSON)
    digest: Mapped[str] = mapped_column(Text)
    highest: Mapped[dict[str, int]] = mapped_column(JSON)
    author: Mapped[str] = mapped_column(Text, default="")
    note: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(Utc)


class Publication(Table):
    """The moment a version went live. The latest row determines the live version."""

    __tablename__ = "publications"
    __table_args__ = (UniqueConstraint("shop_id", "quiz", "sequence"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    quiz: Mapped[str] = mapped_column(Text)
    sequence: Mapped[int]
    number: Mapped[int]
    author: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime] = mapped_column(Utc)


def newest_version(session: Session, shop_id: int, quiz: str) -> ContentVersion | None:
    query = select(ContentVersion).where(ContentVersion.shop_id == shop_id, ContentVersion.quiz == quiz)
    return session.scalar(query.order_by(ContentVersion.number.desc()).limit(1))


def version_by_number(session: Session, shop_id: int, quiz: str, number: int) -> ContentVersion | None:
    query = select(ContentVersion).where(
        ContentVersion.shop_id == shop_id, ContentVersion.quiz == quiz, ContentVersion.number == number
    )
    return session.scalar(query)


def live_publication(session: Session, shop_id: int, quiz: str) -> Publication | None:
    query = select(Publication).where(Publication.shop_id == shop_id, Publication.quiz == quiz)
    return session.scalar(query.order_by(Publication.sequence.desc()).limit(1))


def superseded_at(session: Session, shop_id: int, quiz: str, number: int) -> datetime | None:
    """Return when a version last stopped being live; None if it is live or never was."""
    query = select(Publication).where(Publication.shop_id == shop_id, Publication.quiz == quiz)
    last: datetime | None = None
    live = None
    for row in session.scalars(query.order_by(Publication.sequence)):
        if live == number and row.number != number:
            last = row.at
        live = row.number
    return None if live == number else last


def live_quizzes(session: Session, shop_id: int) -> list[str]:
    query = select(Publication.quiz).where(Publication.shop_id == shop_id).group_by(Publication.quiz)
    return list(session.scalars(query.order_by(func.min(Publication.id))))


def was_live(session: Session, shop_id: int, quiz: str, number: int) -> bool:
    """Return whether a version is live or ever was."""
    wanted = (Publication.shop_id == shop_id, Publication.quiz == quiz, Publication.number == number)
    return session.scalar(select(Publication.id).where(*wanted).limit(1)) is not None


def newest_versions(session: Session, shop_id: int, quiz: str, *, limit: int) -> Sequence[Row[int, str, str, datetime]]:
    """Return (number, author, note, created_at) of the newest versions, newest first."""
    columns = (ContentVersion.number, ContentVersion.author, ContentVersion.note, ContentVersion.created_at)
    wanted = (ContentVersion.shop_id == shop_id, ContentVersion.quiz == quiz)
    return session.execute(select(*columns).where(*wanted).order_by(ContentVersion.number.desc()).limit(limit)).all()


def last_published(session: Session, shop_id: int, quiz: str) -> dict[int, tuple[datetime, str]]:
    """Return, by version number, when and by whom each version was last published."""
    wanted = (Publication.shop_id == shop_id, Publication.quiz == quiz)
    columns = (Publication.number, Publication.at, Publication.author)
    rows = session.execute(select(*columns).where(*wanted).order_by(Publication.sequence))
    return {number: (at, author) for number, at, author in rows}
