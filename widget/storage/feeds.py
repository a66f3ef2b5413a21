"""A shop's product feed: its address, its last run, and pending imports."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import JSON, ForeignKey, Index, Text, UniqueConstraint, false, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc

IDLE, WAITING, RUNNING = "idle", "waiting", "running"
GIVEN_UP_AFTER = timedelta(minutes=10)
"""After this time, a run that has not ended is assumed to have died with its worker, and another may start."""


class Feed(Table):
    """The product feed of a shop.

    ``encrypted_address`` is encrypted, since it may contain a token; if it is empty, files are uploaded. ``state``:
    idle, waiting (requested), or running since ``started_at``. ``progress``: items read by the current run.
    ``allow_missing``, ``allow_changed``: how many products may be missing, and how many names and prices may change,
    because a user confirmed it; 0 applies the usual limit.

    Everything from ``outcome`` on describes the last run: done, unchanged, stopped (too many products missing or
    changed), or failed (see ``error``). ``missing``: SKUs that were removed, or would have been; ``suspicious``: names
    and prices that would have changed, in words; ``problems``: problems in words, of
    which ``problems_more`` are not listed.
    """

    __tablename__ = "feeds"
    __table_args__ = (UniqueConstraint("shop_id"), Index("ix_feeds_due_at", "due_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    encrypted_address: Mapped[str] = mapped_column(Text, default="", server_default="")
    state: Mapped[str] = mapped_column(Text, default=IDLE, server_default=IDLE)
    due_at: Mapped[datetime | None] = mapped_column(Utc)
    started_at: Mapped[datetime | None] = mapped_column(Utc)
    progress: Mapped[int] = mapped_column(default=0, server_default="0")
    allow_missing: Mapped[int] = mapped_column(default=0, server_default="0")
    allow_changed: Mapped[int] = mapped_column(default=0, server_default="0")
    asked_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    kind: Mapped[str] = mapped_column(Text, default="", server_default="")
    outcome: Mapped[str] = mapped_column(Text, default="", server_default="")
    uploaded: Mapped[bool] = mapped_column(default=False, server_default=false())
    last_run_at: Mapped[datetime | None] = mapped_column(Utc)
    last_good_at: Mapped[datetime | None] = mapped_column(Utc)
    items: Mapped[int] = mapped_column(default=0, server_default="0")
    matched: Mapped[int] = mapped_column(default=0, server_default="0")
    changed: Mapped[int] = mapped_column(default=0, server_default="0")
    missing: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    suspicious: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    problems: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    problems_more: Mapped[int] = mapped_column(default=0, server_default="0")
    error: Mapped[str] = mapped_column(Text, default="", server_default="")
    seen_digest: Mapped[str] = mapped_column(Text, default="", server_default="")


def feed_of(session: Session, shop_id: int, *, lock: bool = False) -> Feed | None:
    query = select(Feed).where(Feed.shop_id == shop_id)
    return session.scalar(query.with_for_update() if lock else query)


def due_feeds(session: Session, now: datetime, limit: int = 20) -> list[int]:
    """Return the ids of feeds that are due and that no worker is importing."""
    free = or_(Feed.state != RUNNING, Feed.started_at.is_(None), Feed.started_at < now - GIVEN_UP_AFTER)
    wanted = (Feed.encrypted_address != "", Feed.due_at.is_not(None), Feed.due_at <= now, free)
    return list(session.scalars(select(Feed.id).where(*wanted).order_by(Feed.due_at).limit(limit)))
