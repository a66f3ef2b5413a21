"""Resend an email of unknown delivery at a user's request."""

from __future__ import annotations

from widget.actions.emails.store_outcome import transition
from widget.actions.errors import ActionError
from widget.domain.email.sequence import DELIVERY_UNKNOWN, PLANNED
from widget.nudges import EMAILS, nudge
from widget.services import Services
from widget.storage import audit
from widget.storage.emails import Email
from widget.storage.users import User


class NotAgain(ActionError):
    code = "not_again"


def send_again(services: Services, email_id: int, *, shop_id: int | None = None, by: User | None = None) -> None:
    """Plan an email of unknown delivery to be sent now.

    Raises NotAgain for an email in any other state or of another shop.
    """
    with services.sessions.begin() as session:
        email = session.get(Email, email_id, with_for_update=True)
        if email is None or shop_id not in (None, email.shop_id):
            raise NotAgain(f"there is no email {email_id}")
        if email.state != DELIVERY_UNKNOWN:
            raise NotAgain(f"email {email_id} is {email.state}: only an email of unknown delivery can be resent")
        transition(services, email, PLANNED, "sent again by hand")
        email.due_at = services.now()
        nudge(session, EMAILS)
        if by is not None:
            about = f"email {email.template} ({email_id})"
            shop, at = email.shop_id, services.now()
            audit.record(
                session,
                shop_id=shop,
                at=at,
                user_id=by.id,
                actor=by.display_name,
                action="email_sent_again",
                detail=about,
            )
