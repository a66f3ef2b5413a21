"""After a restore, hold the emails that may have been sent since the backup: a person decides about each."""

from __future__ import annotations

from sqlalchemy import select

from widget.actions.emails.store_outcome import transition
from widget.domain.email.sequence import DELIVERY_UNKNOWN, PLANNED, QUEUED, SENDING
from widget.services import Services
from widget.storage import outbox
from widget.storage.emails import Email

AT_ONCE = 500


def hold_due_emails(services: Services, reason: str) -> int:
    """Mark all emails that are due or being sent as ``delivery_unknown``, and return how many.

    The backup does not know whether they were sent after it was made, and no email may be sent twice. Messages of the
    outbox, such as invitations, are held, too.
    """
    now = services.now()
    with services.sessions.begin() as session:
        unsent = outbox.OutboxMessage.state.in_((outbox.PLANNED, outbox.SENDING))
        held = outbox.doubt_messages(session, unsent, reason=reason, now=now)
    while True:
        with services.sessions.begin() as session:
            due = select(Email).where(Email.state.in_((PLANNED, QUEUED, SENDING)), Email.due_at <= now)
            found = list(session.scalars(due.order_by(Email.id).limit(AT_ONCE)))
            for email in found:
                transition(services, email, DELIVERY_UNKNOWN, reason)
        held += len(found)
        if len(found) < AT_ONCE:
            return held
