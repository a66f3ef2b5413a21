"""The outbox: emails outside sequences (invitations, exports, test sends, announcements), sent by workers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, Index, LargeBinary, Text, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc

PLANNED, SENDING, SENT, FAILED, DELIVERY_UNKNOWN = "planned", "sending", "sent", "failed", "delivery_unknown"
OPEN = (PLANNED, SENDING)
EXPORT = "export"


class OutboxMessage(Table):
    """A complete message to one recipient. Recipient and message are encrypted, and emptied once the state is final.

    ``kind``: invitation, password_link, export, test, or privacy_announcement; ``about``: the id of the user or contact
    it is for. ``reason``: why it failed or is waiting.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_state_due_at", "state", "due_at"),
        Index("ix_outbox_changed_at", "changed_at"),
        Index("ix_outbox_shop_id_kind_about", "shop_id", "kind", "about"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    kind: Mapped[str] = mapped_column(Text)
    about: Mapped[int] = mapped_column(default=0, server_default="0")
    encrypted_recipient: Mapped[str] = mapped_column(Text)
    encrypted_message: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(Text, default=PLANNED)
    reason: Mapped[str] = mapped_column(Text, default="", server_default="")
    attempts: Mapped[int] = mapped_column(default=0, server_default="0")
    due_at: Mapped[datetime] = mapped_column(Utc)
    created_at: Mapped[datetime] = mapped_column(Utc)
    changed_at: Mapped[datetime] = mapped_column(Utc)


def due_messages(session: Session, now: datetime, limit: int) -> list[int]:
    """Return the ids of messages that are due, oldest first."""
    wanted = (OutboxMessage.state == PLANNED, OutboxMessage.due_at <= now)
    return list(session.scalars(select(OutboxMessage.id).where(*wanted).order_by(OutboxMessage.due_at).limit(limit)))


def doubt_messages(session: Session, *which: ColumnElement[bool], reason: str, now: datetime) -> int:
    """Mark messages as ``delivery_unknown``, empty them, and return how many: they may or may not have been sent."""
    values = {"state": DELIVERY_UNKNOWN, "reason": reason, "encrypted_recipient": "", "encrypted_message": b""}
    changed = session.execute(update(OutboxMessage).where(*which).values(**values, changed_at=now))
    return int(changed.rowcount)  # type: ignore[attr-defined]  # A CursorResult has it.


def latest_message(session: Session, shop_id: int, kind: str, about: int) -> OutboxMessage | None:
    """Return the newest message of a kind for a user or contact, to show its state."""
    wanted = (OutboxMessage.shop_id == shop_id, OutboxMessage.kind == kind, OutboxMessage.about == about)
    return session.scalar(select(OutboxMessage).where(*wanted).order_by(OutboxMessage.id.desc()).limit(1))


def drop_exports(session: Session, shop_id: int, contact_id: int | None = None) -> None:
    """Delete unsent data exports of a contact (None: of all contacts), so that none is sent after an erasure."""
    mine = [OutboxMessage.shop_id == shop_id, OutboxMessage.kind == EXPORT]
    if contact_id is not None:
        mine.append(OutboxMessage.about == contact_id)
    session.execute(delete(OutboxMessage).where(*mine))
