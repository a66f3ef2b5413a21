"""Move the clock of local mode forward to the next email."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from widget.domain.email.sequence import PLANNED
from widget.services import Services
from widget.storage.emails import Email


def waiting_emails(services: Services) -> list[tuple[str, datetime]]:
    """Return (email, due time) of all planned emails, soonest first."""
    with services.reads() as session:
        rows = session.execute(
            select(Email.template, Email.due_at).where(Email.state == PLANNED).order_by(Email.due_at)
        )
        return [(email, due_at) for email, due_at in rows]


def move_to_next_email(services: Services) -> datetime | None:
    """Move the clock to when the next planned email is due and return that time; None if no email is waiting.

    The clock never moves back.
    """
    coming = [due_at for _, due_at in waiting_emails(services) if due_at > services.now()]
    if not coming:
        return None
    services.clock.move_to(coming[0] + timedelta(seconds=1))
    return coming[0]
