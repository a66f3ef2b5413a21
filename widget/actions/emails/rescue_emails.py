"""Recover emails whose worker died."""

from __future__ import annotations

from datetime import timedelta

from widget.actions.emails.store_outcome import transition
from widget.domain.email.sequence import DELIVERY_UNKNOWN, PLANNED, QUEUED, SENDING
from widget.services import Services
from widget.storage.emails import Email, stuck_emails

QUEUED_FOR = timedelta(minutes=5)
SENDING_FOR = timedelta(minutes=15)


def rescue_emails(
    services: Services, *, queued_for: timedelta = QUEUED_FOR, sending_for: timedelta = SENDING_FOR
) -> int:
    """Recover emails whose worker died, and return how many.

    Queued emails become planned again; emails that were being sent become ``delivery_unknown``.
    """
    now = services.now()
    rescued = 0
    for state, age, to, reason in (
        (QUEUED, queued_for, PLANNED, "the worker stopped"),
        (SENDING, sending_for, DELIVERY_UNKNOWN, "the worker stopped before recording the provider's response"),
    ):
        with services.sessions.begin() as session:
            for email_id in stuck_emails(session, state, now - age):
                email = session.get_one(Email, email_id, with_for_update=True)
                if email.state == state:
                    transition(services, email, to, reason)
                    rescued += 1
    return rescued
