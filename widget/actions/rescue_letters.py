"""Look for lost work: letters whose worker died."""

from __future__ import annotations

from datetime import timedelta

from widget.actions.send_letter import settle
from widget.domain.letter import PLANNED, QUEUED, SENDING, UNCONFIRMED
from widget.services import Services
from widget.storage.letters import Letter, stuck_letters

QUEUED_FOR = timedelta(minutes=5)
SENDING_FOR = timedelta(minutes=15)


def rescue_letters(
    services: Services, *, queued_for: timedelta = QUEUED_FOR, sending_for: timedelta = SENDING_FOR
) -> int:
    """Put claimed letters back that nobody sends; tell those that were being sent as unconfirmed. The number."""
    now = services.now()
    rescued = 0
    for state, age, to, reason in (
        (QUEUED, queued_for, PLANNED, "its worker is gone"),
        (SENDING, sending_for, UNCONFIRMED, "its worker died before the carrier's answer was noted"),
    ):
        with services.sessions.begin() as session:
            for letter_id in stuck_letters(session, state, now - age):
                letter = session.get_one(Letter, letter_id, with_for_update=True)
                if letter.state == state:
                    settle(services, letter, to, reason)
                    rescued += 1
    return rescued
