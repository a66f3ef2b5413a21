"""The outbox: emails outside sequences (invitations, exports, test sends, announcements), sent by workers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, LargeBinary, Text, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc

PLANNED, SENDING, SENT, FAILED, DELIVERY_UNKNOWN = "planned", "sending", "sent", "failed", "delivery_unknown"
OPEN = (PLANNED, SENDING)
EXPORT = "export"


class OutboxMessage(Table):
    """One message to one recipient, finished and encrypted (recipient and bytes); both are emptied once it is settled.

    ``kind`` says what it is (invitation, password_link, export, test, privacy_announcement), ``about`` for whom: the id
    of a user or a contact. ``reason``: why it failed or waits.
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_state_due_at", "state", "due_at"),
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
    """Ids of messages that are to go now, the oldest first."""
    wanted = (OutboxMessage.state == PLANNED, OutboxMessage.due_at <= now)
    return list(session.scalars(select(OutboxMessage.id).where(*wanted).order_by(OutboxMessage.due_at).limit(limit)))


def latest_message(session: Session, shop_id: int, kind: str, about: int) -> OutboxMessage | None:
    """The newest message of a kind for somebody, to show its state."""
    wanted = (OutboxMessage.shop_id == shop_id, OutboxMessage.kind == kind, OutboxMessage.about == about)
    return session.scalar(select(OutboxMessage).where(*wanted).order_by(OutboxMessage.id.desc()).limit(1))


def drop_exports(session: Session, shop_id: int, contact_id: int | None = None) -> None:
    """Copies of somebody's data that have not gone yet (None: of everybody's) are not sent after a deletion."""
    mine = [OutboxMessage.shop_id == shop_id, OutboxMessage.kind == EXPORT]
    if contact_id is not None:
        mine.append(OutboxMessage.about == contact_id)
    session.execute(delete(OutboxMessage).where(*mine))
