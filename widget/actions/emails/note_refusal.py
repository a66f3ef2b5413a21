"""Record that the email server refused an email while it was handed over: the same as a bounce that comes later."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from widget.domain.email.bounce import Bounce
from widget.domain.email.email_event import LOOKED_AT, UNREACHABLE, UNREACHABLE_FOR, suppressed_for
from widget.storage.contacts import Contact, suppress
from widget.storage.email_events import add_email_event, last_email_events
from widget.storage.emails import Email
from widget.telemetry import EMAIL_EVENTS


def note_refusal(session: Session, email_id: int, attempt: int, refusal: Bounce, now: datetime) -> None:
    """Store the refusal as an email event, and suppress the address if it does not exist."""
    email = session.get_one(Email, email_id)
    contact = session.get_one(Contact, email.contact_id)
    event = {
        "shop_id": email.shop_id,
        "address_hash": contact.address_hash,
        "kind": refusal.event,
        "event_id": f"handover:{email_id}:{attempt}",
        "at": now,
        "category": refusal.category,
        "cause": refusal.cause,
        "provider": contact.email.rpartition("@")[2],
    }
    if add_email_event(session, event):
        EMAIL_EVENTS.labels(refusal.event, refusal.cause).inc()
        suppress_after(session, email.shop_id, contact.address_hash, refusal.event, now)


def suppress_after(session: Session, shop_id: int, address_hash: str, kind: str, now: datetime) -> None:
    """Suppress an address if an email event of this kind, just stored, calls for it."""
    reason = suppressed_for(kind, last_email_events(session, shop_id, address_hash, LOOKED_AT))
    if reason:
        until = now + UNREACHABLE_FOR if reason == UNREACHABLE else None
        suppress(session, shop_id=shop_id, address_hash=address_hash, reason=reason, at=now, expires_at=until)
