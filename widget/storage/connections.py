"""Connections of a shop: secrets and API keys of its store platform and email provider."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import JSON, ForeignKey, Index, Text, UniqueConstraint, false, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc
from widget.storage.shops import BOTH_GOOD_FOR

GIVEN_UP_AFTER = timedelta(minutes=10)
"""After this time, a run that has not ended is assumed to have died with its worker, and another may start."""


class Connection(Table):
    """The connection of a shop to a platform. ``encrypted_secrets``: its webhook secrets, newest first.

    ``address`` is the store's own address and ``encrypted_key`` the key of its API; both are needed to reconcile
    orders. ``synced_until``: every order that changed before that moment has been seen. ``due_at``: when to reconcile
    next. ``found`` and ``error`` describe the last run.
    """

    __tablename__ = "connections"
    __table_args__ = (UniqueConstraint("shop_id", "platform"), Index("ix_connections_due_at", "due_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    platform: Mapped[str] = mapped_column(Text)
    address: Mapped[str] = mapped_column(Text, default="", server_default="")
    encrypted_secrets: Mapped[list[str]] = mapped_column(JSON, default=list, server_default="[]")
    rotated_at: Mapped[datetime | None] = mapped_column(Utc)
    encrypted_key: Mapped[str] = mapped_column(Text, default="", server_default="")
    synced_until: Mapped[datetime | None] = mapped_column(Utc)
    due_at: Mapped[datetime | None] = mapped_column(Utc)
    started_at: Mapped[datetime | None] = mapped_column(Utc)
    last_synced_at: Mapped[datetime | None] = mapped_column(Utc)
    found: Mapped[int] = mapped_column(default=0, server_default="0")
    error: Mapped[str] = mapped_column(Text, default="", server_default="")
    uninstalled_at: Mapped[datetime | None] = mapped_column(Utc)
    paused_shop: Mapped[bool] = mapped_column(default=False, server_default=false())
    """Whether the uninstall paused the emails of the shop."""
    changed_at: Mapped[datetime] = mapped_column(Utc)

    def good_secrets(self, now: datetime) -> list[str]:
        """Return the encrypted secrets that are currently valid for signing deliveries, newest first."""
        over = self.rotated_at is not None and now - self.rotated_at >= BOTH_GOOD_FOR
        return list(self.encrypted_secrets[:1] if over else self.encrypted_secrets)


def connection_of(session: Session, shop_id: int, platform: str, *, lock: bool = False) -> Connection | None:
    query = select(Connection).where(Connection.shop_id == shop_id, Connection.platform == platform)
    return session.scalar(query.with_for_update() if lock else query)


def connections_of(session: Session, shop_id: int) -> dict[str, Connection]:
    """Return the connections of a shop by platform."""
    rows = session.scalars(select(Connection).where(Connection.shop_id == shop_id))
    return {row.platform: row for row in rows}


def due_connections(session: Session, now: datetime, limit: int = 20) -> list[int]:
    """Return the ids of connections that are due and that no worker is reconciling."""
    free = or_(Connection.started_at.is_(None), Connection.started_at < now - GIVEN_UP_AFTER)
    wanted = (Connection.due_at.is_not(None), Connection.due_at <= now, free)
    return list(session.scalars(select(Connection.id).where(*wanted).order_by(Connection.due_at).limit(limit)))
