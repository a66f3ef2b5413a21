"""Shut a person out: of everything, or of where they are signed in."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from widget.actions.add_person import BadMember
from widget.services import Services
from widget.storage.audit import note
from widget.storage.people import Person, SignIn, membership, owns_all_of, shops_of
from widget.storage.shops import shop_by_slug


def disable_person(services: Services, *, shop: str, person_id: int, by: Person, again: bool = False) -> None:
    """Shut every door to somebody, or (``again``) open them; their sign-ins end. Raises BadMember.

    Only whoever owns all of their shops may: else one shop could lock people out of another's.
    """
    with services.sessions.begin() as session:
        person = _theirs(session, shop, person_id)
        if person.id == by.id:
            raise BadMember("you cannot disable yourself")
        if not owns_all_of(session, by.id, person.id):
            raise BadMember("this person belongs to other shops, too: you can remove them from this one")
        if bool(person.disabled_at) == (not again):
            return
        person.disabled_at = None if again else services.now()
        if not again:
            _end_all(services, session, person)
        _tell(services, session, person, by, "person_enabled" if again else "person_disabled")


def sign_out_person(services: Services, *, shop: str, person_id: int, by: Person) -> int:
    """End all sign-ins of somebody; how many there were. Raises BadMember."""
    with services.sessions.begin() as session:
        person = _theirs(session, shop, person_id)
        ended = _end_all(services, session, person)
        if ended:
            _tell(services, session, person, by, "signed_out_by")
        return ended


def _theirs(session: Session, shop: str, person_id: int) -> Person:
    owner = shop_by_slug(session, shop)
    member = membership(session, owner.id, person_id) if owner else None
    if member is None:
        raise BadMember("this person is not in this shop")
    person = session.get_one(Person, person_id, with_for_update=True)
    if member.active_at is None:
        raise BadMember("this person has not come in yet: you can remove them")
    return person


def _end_all(services: Services, session: Session, person: Person) -> int:
    rows = list(session.scalars(select(SignIn).where(SignIn.person_id == person.id, SignIn.ended_at.is_(None))))
    for row in rows:
        row.ended_at = services.now()
    return len(rows)


def _tell(services: Services, session: Session, person: Person, by: Person, what: str) -> None:
    """In the log of each of their shops."""
    for shop, _ in shops_of(session, person.id):
        about, at = person.email, services.now()
        note(session, shop_id=shop.id, at=at, person_id=by.id, who=by.told, what=what, about=about)
