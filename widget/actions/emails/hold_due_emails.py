"""After a restore, hold the emails that may have been sent since the backup: a person decides about each."""

from __future__ import annotations

from sqlalchemy import select

from widget.domain.email.sequence import DELIVERY_UNKNOWN, PLANNED, QUEUED, SENDING
from widget.services import Services
from widget.storage.emails import Email

AT_ONCE = 500


def hold_due_emails(services: Services, reason: str) -> int:
    """Mark all emails that are due or being sent as ``delivery_unknown``, and return how many.

    The backup does not know whether they were sent after it was made, and no email may be sent twice.
    """
    held, now = 0, services.now()
    while True:
        with services.sessions.begin() as session:
            due = select(Email).where(Email.state.in_((PLANNED, QUEUED, SENDING)), Email.due_at <= now)
            found = list(session.scalars(due.order_by(Email.id).limit(AT_ONCE)))
            for email in found:
                email.state, email.reason, email.changed_at = DELIVERY_UNKNOWN, reason, now
                entry = {"at": now.isoformat(), "state": DELIVERY_UNKNOWN, "reason": reason}
                email.history = [*email.history, entry]
        held += len(found)
        if len(found) < AT_ONCE:
            return held
