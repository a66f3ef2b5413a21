"""Anonymous responses, kept 30 days, and daily storefront events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, Date, ForeignKey, Index, Row, Text, UniqueConstraint, select, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc
from widget.storage.inserts import add_numbers, insert_all_or_ignore


class Response(Table):
    """One set of answers with its result. Nothing here identifies a person; ``visit`` is random."""

    __tablename__ = "responses"
    __table_args__ = (Index("ix_responses_created_at", "created_at"), UniqueConstraint("shop_id", "visit"))

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    quiz: Mapped[str] = mapped_column(Text)
    version: Mapped[int]
    visit: Mapped[str] = mapped_column(Text)
    answers: Mapped[dict[str, list[str]]] = mapped_column(JSON)
    outcome: Mapped[str] = mapped_column(Text)
    products: Mapped[list[str]] = mapped_column(JSON)
    locale: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Utc)


_COUNTED = ("shop_id", "quiz", "day", "event", "question", "sku", "version", "locale")


class DailyEvent(Table):
    """The number of occurrences of an event on a day; question and SKU are empty where they do not apply.

    Version 0 and an empty locale mean that the client did not send them.
    """

    __tablename__ = "daily_events"
    __table_args__ = (UniqueConstraint(*_COUNTED),)

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    quiz: Mapped[str] = mapped_column(Text)
    day: Mapped[date] = mapped_column(Date)
    event: Mapped[str] = mapped_column(Text)
    question: Mapped[str] = mapped_column(Text, default="")
    sku: Mapped[str] = mapped_column(Text, default="")
    version: Mapped[int] = mapped_column(default=0, server_default=text("0"))
    locale: Mapped[str] = mapped_column(Text, default="", server_default=text("''"))
    number: Mapped[int] = mapped_column(default=0)


def add_responses(session: Session, rows: list[dict[str, Any]]) -> None:
    """Store responses; one with a known visit token is a repeat, and is left out."""
    insert_all_or_ignore(session, Response, rows, ("shop_id", "visit"))


def response_by_visit(session: Session, shop_id: int, visit: str) -> Response | None:
    return session.scalar(select(Response).where(Response.shop_id == shop_id, Response.visit == visit))


def add_daily_events(session: Session, rows: list[dict[str, Any]]) -> None:
    """Add to daily events, inserting new ones; no reader sees a partial row."""
    if rows:
        add_numbers(session, DailyEvent, rows, _COUNTED)


def response_by_id(session: Session, shop_id: int, quiz: str, response_id: int) -> Response | None:
    """Return a stored response of this quiz."""
    wanted = (Response.shop_id == shop_id, Response.quiz == quiz, Response.id == response_id)
    return session.scalar(select(Response).where(*wanted))


def newest_responses(
    session: Session, shop_id: int, quiz: str, *, before: int | None, limit: int
) -> Sequence[Row[int, datetime, str, list[str], str]]:
    """Return (id, created_at, outcome, products, locale) of stored responses, newest first.

    ``before``: only those with a smaller id.
    """
    wanted = [Response.shop_id == shop_id, Response.quiz == quiz]
    if before is not None:
        wanted.append(Response.id < before)
    columns = (Response.id, Response.created_at, Response.outcome, Response.products, Response.locale)
    return session.execute(select(*columns).where(*wanted).order_by(Response.id.desc()).limit(limit)).all()
