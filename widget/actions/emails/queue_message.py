"""Queue a finished message in the outbox, in the caller's transaction."""

from __future__ import annotations

from sqlalchemy.orm import Session

from widget.crypto import OUTBOX
from widget.email.blocks import Block
from widget.email.compose import compose
from widget.email.content import EmailFrame, Written
from widget.email.message import email_message
from widget.i18n.strings import FALLBACK, strings_for
from widget.nudges import EMAILS, nudge
from widget.passwords import new_token
from widget.services import Services
from widget.storage.outbox import EXPORT, PLANNED, OutboxMessage
from widget.storage.shops import Shop

__all__ = ["EXPORT", "INVITATION", "PASSWORD_LINK", "PRIVACY", "TEST", "queue_message", "system_email"]
INVITATION, PASSWORD_LINK, TEST, PRIVACY = "invitation", "password_link", "test", "privacy"


def queue_message(
    services: Services, session: Session, shop: Shop, written: Written, *, recipient: str, kind: str, about: int = 0
) -> OutboxMessage:
    """Add a message for a worker to send and return its row. Raises BadAddress."""
    sender, now = services.settings.mail_from, services.now()
    message = email_message(
        written,
        sender_name=shop.name,
        sender=sender,
        recipient=recipient,
        message_id=f"<{new_token()[:24]}@{sender.rsplit('@', 1)[-1]}>",
        list_id="",
        unsubscribe_url="",
        date=now,
    )
    row = OutboxMessage(
        shop_id=shop.id,
        kind=kind,
        about=about,
        encrypted_recipient=services.crypto.encrypt(recipient, OUTBOX),
        encrypted_message=services.crypto.encrypt_bytes(message, OUTBOX),
        state=PLANNED,
        due_at=now,
        created_at=now,
        changed_at=now,
    )
    session.add(row)
    nudge(session, EMAILS)
    session.flush()  # The caller needs the id to show the state.
    return row


def system_email(shop: Shop, subject: str, because: str, blocks: list[Block]) -> Written:
    """Compose an email from the application to a user of this shop's console, without an unsubscribe link."""
    frame = EmailFrame(
        shop=shop.name,
        subject=subject,
        preview=because,
        locale=FALLBACK,
        because=because,
        postal_address=shop.postal_address,
        strings=strings_for(FALLBACK),
    )
    return compose(frame, blocks)
