"""Privacy requests that stores forward, and their receipts."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc

REQUEST_WAITING, REQUEST_DONE, REQUEST_CANCELED = "waiting", "done", "cancelled"


class PrivacyRequest(Table):
    """A request and its receipt. It contains no address in plain text.

    ``state``: a request that destroys data is ``waiting`` until ``due_at``, with its event in ``encrypted_event``; then
    it is ``done``, or ``cancelled`` by a person.

    ``found`` counts the affected rows: {contacts, orders, emails, consents}. ``encrypted_copy``: for a data request,
    the copy that the shop hands over, kept until ``copy_until`` or until one of the contacts or orders it covers
    (``contact_ids``, ``order_ids``) is erased.
    """

    __tablename__ = "privacy_requests"
    __table_args__ = (
        UniqueConstraint("shop_id", "event_id"),
        Index("ix_privacy_requests_copy_until", "copy_until"),
        Index("ix_privacy_requests_received_at", "received_at"),
        Index("ix_privacy_requests_state_due_at", "state", "due_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    event_id: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    received_at: Mapped[datetime] = mapped_column(Utc)
    done_at: Mapped[datetime | None] = mapped_column(Utc)
    state: Mapped[str] = mapped_column(Text, default=REQUEST_DONE, server_default=REQUEST_DONE)
    due_at: Mapped[datetime | None] = mapped_column(Utc)
    encrypted_event: Mapped[str] = mapped_column(Text, default="", server_default="")
    found: Mapped[dict[str, Any]] = mapped_column(JSON, default=dict)
    contact_ids: Mapped[list[int]] = mapped_column(JSON, default=list, server_default="[]")
    order_ids: Mapped[list[int]] = mapped_column(JSON, default=list, server_default="[]")
    encrypted_copy: Mapped[str] = mapped_column(Text, default="", server_default="")
    copy_until: Mapped[datetime | None] = mapped_column(Utc)


def drop_copies(
    session: Session, shop_id: int, *, contacts: Iterable[int] = (), orders: Iterable[int] = (), everybody: bool = False
) -> None:
    """Delete the data copies that cover any of these contacts or orders."""
    theirs, them = set(orders), set(contacts)
    kept = select(PrivacyRequest).where(PrivacyRequest.shop_id == shop_id, PrivacyRequest.encrypted_copy != "")
    for row in session.scalars(kept):
        if everybody or them & set(row.contact_ids) or theirs & set(row.order_ids):
            row.encrypted_copy, row.copy_until = "", None


def privacy_requests_of(session: Session, shop_id: int, limit: int = 50) -> list[PrivacyRequest]:
    """Return the privacy requests of a shop, newest first."""
    query = select(PrivacyRequest).where(PrivacyRequest.shop_id == shop_id)
    return list(session.scalars(query.order_by(PrivacyRequest.id.desc()).limit(limit)))
