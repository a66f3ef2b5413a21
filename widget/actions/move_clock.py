"""Move the clock of local mode forward, to the next letter."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import select

from widget.domain.letter import PLANNED
from widget.services import Services
from widget.storage.letters import Letter


def waiting_letters(services: Services) -> list[tuple[str, datetime]]:
    """(letter, when it is due) of what is planned, soonest first."""
    with services.reads() as session:
        rows = session.execute(
            select(Letter.letter, Letter.due_at).where(Letter.state == PLANNED).order_by(Letter.due_at)
        )
        return [(letter, due_at) for letter, due_at in rows]


def move_to_next_letter(services: Services) -> datetime | None:
    """Make it the moment the next planned letter is due; None when nothing waits. Never moves back."""
    coming = [due_at for _, due_at in waiting_letters(services) if due_at > services.now()]
    if not coming:
        return None
    services.clock.move_to(coming[0] + timedelta(seconds=1))
    return coming[0]
