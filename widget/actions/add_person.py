"""Let somebody into a shop's console: a membership, and a link that lets them in once."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from widget.actions.errors import ActionError, UnknownShop
from widget.domain.roles import OWNER, ROLES
from widget.mail.message import checked_address
from widget.parts import Parts
from widget.passwords import new_token, token_hash
from widget.storage.audit import note
from widget.storage.people import Membership, Person, SignInLink, membership, person_by_email
from widget.storage.shops import Shop, shop_by_slug

GOOD_FOR = timedelta(days=3)


class BadMember(ActionError):
    code = "bad_member"


def add_person(
    parts: Parts, *, shop: str, email: str, role: str, name: str = "", by: Person | None = None, again: bool = False
) -> tuple[Person, str]:
    """(the person, the token of a link that lets them in once; empty for who has a password, unless ``again``).

    Somebody who is in the shop already gets the role. Raises UnknownShop, BadMember, BadAddress.
    """
    if role not in ROLES:
        raise BadMember(f"'{role}' is no role: use {', '.join(ROLES)}")
    address, now = checked_address(email).casefold(), parts.now()
    with parts.sessions.begin() as session:
        owner = shop_by_slug(session, shop, lock=True)
        if owner is None:
            raise UnknownShop(f"there is no shop '{shop}'")
        person = person_by_email(session, address)
        if person is None:
            person = Person(email=address, name=name[:80], password_hash="", created_at=now)
            session.add(person)
            session.flush()  # The membership below needs the id.
        member = membership(session, owner.id, person.id)
        if member is None:
            session.add(Membership(shop_id=owner.id, person_id=person.id, role=role, created_at=now))
        elif member.role != role:
            keep_an_owner(session, owner, member, role)
            member.role = role
        tell(parts, session, owner, by, "person_added", f"{address} as {role}")
        return person, make_link(parts, session, person) if again or not person.password_hash else ""


def make_link(parts: Parts, session: Session, person: Person, good_for: timedelta = GOOD_FOR) -> str:
    """The token of a link that lets this person in once. Older links stay good until they expire."""
    token, now = new_token(), parts.now()
    session.add(
        SignInLink(person_id=person.id, token_hash=token_hash(token), created_at=now, expires_at=now + good_for)
    )
    return token


def change_member(parts: Parts, *, shop: str, person_id: int, role: str | None, by: Person) -> None:
    """Give somebody another role, or (None) end their membership. Raises UnknownShop, BadMember."""
    if role is not None and role not in ROLES:
        raise BadMember(f"'{role}' is no role: use {', '.join(ROLES)}")
    with parts.sessions.begin() as session:
        owner = shop_by_slug(session, shop, lock=True)
        member = membership(session, owner.id, person_id) if owner else None
        if owner is None or member is None:
            raise BadMember("this person is not in this shop")
        person = session.get_one(Person, person_id)
        keep_an_owner(session, owner, member, role)
        if role is None:
            session.delete(member)
            tell(parts, session, owner, by, "person_removed", person.email)
        else:
            member.role = role
            tell(parts, session, owner, by, "role_changed", f"{person.email} is {role} now")


def keep_an_owner(session: Session, shop: Shop, member: Membership, role: str | None) -> None:
    """A shop without an owner could not be looked after any more. Raises BadMember.

    The shop's row is locked by whoever asks: two owners must not remove each other at once.
    """
    owners = select(func.count()).where(Membership.shop_id == shop.id, Membership.role == OWNER)
    if member.role == OWNER and role != OWNER and session.scalar(owners) == 1:
        raise BadMember("this is the only owner: make somebody else an owner first")


def tell(parts: Parts, session: Session, shop: Shop, by: Person | None, what: str, about: str) -> None:
    """An entry in the log of the shop; without a person it was the command line."""
    who = by.told if by else "command line"
    note(session, shop_id=shop.id, at=parts.now(), person_id=by.id if by else None, who=who, what=what, about=about)
