"""Send an email of unknown delivery again, because a person said so."""

from __future__ import annotations

from widget.actions.errors import ActionError
from widget.actions.send_email import settle
from widget.domain.email import DELIVERY_UNKNOWN, PLANNED
from widget.nudges import EMAILS, nudge
from widget.services import Services
from widget.storage.audit import note
from widget.storage.emails import Email
from widget.storage.people import Person


class NotAgain(ActionError):
    code = "not_again"


def send_again(services: Services, email_id: int, *, shop_id: int | None = None, by: Person | None = None) -> None:
    """Plan an email of unknown delivery for now. Raises NotAgain for any other state, or an email of another shop."""
    with services.sessions.begin() as session:
        email = session.get(Email, email_id, with_for_update=True)
        if email is None or shop_id not in (None, email.shop_id):
            raise NotAgain(f"there is no email {email_id}")
        if email.state != DELIVERY_UNKNOWN:
            raise NotAgain(f"email {email_id} is {email.state}: only one of unknown delivery is sent again")
        settle(services, email, PLANNED, "sent again by hand")
        email.due_at = services.now()
        nudge(session, EMAILS)
        if by is not None:
            about = f"email {email.template} ({email_id})"
            shop, at = email.shop_id, services.now()
            note(session, shop_id=shop, at=at, person_id=by.id, who=by.told, what="email_sent_again", about=about)
