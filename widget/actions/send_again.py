"""Send an unconfirmed letter again, because a person said so."""

from __future__ import annotations

from widget.actions.errors import ActionError
from widget.actions.send_letter import settle
from widget.domain.letter import PLANNED, UNCONFIRMED
from widget.nudges import EMAILS, nudge
from widget.services import Services
from widget.storage.audit import note
from widget.storage.letters import Letter
from widget.storage.people import Person


class NotAgain(ActionError):
    code = "not_again"


def send_again(services: Services, letter_id: int, *, shop_id: int | None = None, by: Person | None = None) -> None:
    """Plan an unconfirmed letter for now. Raises NotAgain for any other state, or a letter of another shop."""
    with services.sessions.begin() as session:
        letter = session.get(Letter, letter_id, with_for_update=True)
        if letter is None or shop_id not in (None, letter.shop_id):
            raise NotAgain(f"there is no letter {letter_id}")
        if letter.state != UNCONFIRMED:
            raise NotAgain(f"letter {letter_id} is {letter.state}: only an unconfirmed one is sent again")
        settle(services, letter, PLANNED, "sent again by hand")
        letter.due_at = services.now()
        nudge(session, EMAILS)
        if by is not None:
            about = f"letter {letter.letter} ({letter_id})"
            shop, at = letter.shop_id, services.now()
            note(session, shop_id=shop, at=at, person_id=by.id, who=by.told, what="letter_sent_again", about=about)
