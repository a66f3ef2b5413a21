"""Sign somebody in whose address a provider of company accounts vouches for."""

from __future__ import annotations

from widget.actions.errors import ActionError
from widget.actions.sign_in import begin_visit, note_in_shops
from widget.parts import Parts
from widget.storage.people import Person, person_by_email, shops_of


class NotInvited(ActionError):
    """The same words whatever was wrong: who exists here is nobody's business (ASVS 6.3.8)."""

    code = "not_invited"

    def __init__(self) -> None:
        super().__init__(
            "This company account does not open the console. "
            "An owner of your shop can add its address, or use your password."
        )


def sign_in_by_provider(parts: Parts, *, email: str, verified: bool, browser: str = "") -> str:
    """The token for the cookie of who is in the console already. Raises NotInvited.

    Our own one-time codes are not asked for on top: how people prove who they are is the provider's business then.
    """
    token = None
    with parts.sessions.begin() as session:
        person = person_by_email(session, email) if email else None
        refused = "" if person is None else _why_not(person, verified=verified)
        if person is not None and refused:
            note_in_shops(parts, session, person, "sign_in_refused", f"by company account: {refused}")
        elif person is not None and shops_of(session, person.id):
            token = begin_visit(parts, session, person, browser, how=", by company account")
    if token is None:
        raise NotInvited
    return token


def _why_not(person: Person, *, verified: bool) -> str:
    if person.disabled_at:
        return "disabled"
    return "" if verified else "the provider has not verified the address"
