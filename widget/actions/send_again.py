"""Send an unconfirmed letter again, because a person said so."""

from __future__ import annotations

from widget.actions.errors import ActionError
from widget.actions.send_letter import settle
from widget.domain.letter import PLANNED, UNCONFIRMED
from widget.parts import Parts
from widget.storage.letters import Letter


class NotAgain(ActionError):
    code = "not_again"


def send_again(parts: Parts, letter_id: int) -> None:
    """Plan an unconfirmed letter for now. Raises NotAgain for any other state."""
    with parts.sessions.begin() as session:
        letter = session.get(Letter, letter_id, with_for_update=True)
        if letter is None:
            raise NotAgain(f"there is no letter {letter_id}")
        if letter.state != UNCONFIRMED:
            raise NotAgain(f"letter {letter_id} is {letter.state}: only an unconfirmed one is sent again")
        settle(parts, letter, PLANNED, "sent again by hand")
        letter.due_at = parts.now()
