"""Add a user to a shop's console: a membership, and an invitation that activates it.

Whoever holds a link chooses the password of an account. A membership therefore takes effect only by a link that was
made for this very shop and mailed to the address (or handed over by the operator), and every earlier link is void by
then: a shop that opened an account by hand can never reach into another shop through it.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from widget.actions.errors import ActionError
from widget.actions.require_shop import require_shop
from widget.domain.roles import OWNER, ROLES
from widget.email.message import checked_address
from widget.passwords import new_token, token_hash
from widget.services import Services
from widget.storage import audit
from widget.storage.shops import Shop, shop_by_slug
from widget.storage.users import Invitation, Membership, User, membership, user_by_email

GOOD_FOR = timedelta(days=3)


class BadMember(ActionError):
    code = "bad_member"


def add_user(
    services: Services,
    *,
    shop: str,
    email: str,
    role: str,
    name: str = "",
    by: User | None = None,
    again: bool = False,
) -> tuple[User, str]:
    """(the person, the token of a link). Raises UnknownShop, BadMember, BadAddress.

    From the console (``by``) the link is meant to be mailed. From the command line it is handed over; who has a
    verified account needs none (the token is empty, unless ``again``), and is in at once. Somebody who is in the shop
    already gets the role.
    """
    if role not in ROLES:
        raise BadMember(f"'{role}' is no role: use {', '.join(ROLES)}")
    address = checked_address(email).casefold()
    with services.sessions.begin() as session:
        owner = require_shop(session, shop, lock=True)
        user = user_in(services, session, owner, address, role, name)
        tell(services, session, owner, by, "user_added", f"{address} as {role}")
        member = membership(session, owner.id, user.id)
        assert member is not None  # Made above.
        trusted = by is None and user.verified_at is not None and bool(user.password_hash)
        if trusted and member.active_at is None:
            member.active_at = services.now()
        needs_link = again or not user.password_hash or member.active_at is None
        return user, make_link(services, session, user, owner, mailed=by is not None) if needs_link else ""


def user_in(services: Services, session: Session, shop: Shop, address: str, role: str, name: str) -> User:
    """The person of an address with a membership in a shop, both made where there is none. Raises BadMember."""
    now = services.now()
    user = user_by_email(session, address)
    if user is None:
        user = User(email=address, name=name[:80], password_hash="", created_at=now)
        session.add(user)
        session.flush()  # The membership below needs the id.
    member = membership(session, shop.id, user.id)
    if member is None:
        void_links(services, session, user)
        session.add(Membership(shop_id=shop.id, user_id=user.id, role=role, created_at=now))
        session.flush()
    elif member.role != role:
        keep_an_owner(session, shop, member, role)
        member.role = role
    return user


def void_links(services: Services, session: Session, user: User) -> None:
    """No link that was made before opens anything any more."""
    unused = (Invitation.user_id == user.id, Invitation.used_at.is_(None))
    session.execute(update(Invitation).where(*unused).values(used_at=services.now()))


def make_link(services: Services, session: Session, user: User, shop: Shop, *, mailed: bool) -> str:
    """The token of a link that lets this person in once. ``mailed``: it goes to their own address and nowhere else."""
    token, now = new_token(), services.now()
    row = Invitation(
        user_id=user.id,
        shop_id=shop.id,
        mailed=mailed,
        token_hash=token_hash(token),
        created_at=now,
        expires_at=now + GOOD_FOR,
    )
    session.add(row)
    return token


def change_member(services: Services, *, shop: str, user_id: int, role: str | None, by: User) -> None:
    """Give somebody another role, or (None) end their membership. Raises UnknownShop, BadMember."""
    if role is not None and role not in ROLES:
        raise BadMember(f"'{role}' is no role: use {', '.join(ROLES)}")
    with services.sessions.begin() as session:
        owner = shop_by_slug(session, shop, lock=True)
        member = membership(session, owner.id, user_id) if owner else None
        if owner is None or member is None:
            raise BadMember("this person is not in this shop")
        user = session.get_one(User, user_id)
        keep_an_owner(session, owner, member, role)
        if role is None:
            session.delete(member)
            tell(services, session, owner, by, "user_removed", user.email)
        else:
            member.role = role
            tell(services, session, owner, by, "role_changed", f"{user.email} is {role} now")


def keep_an_owner(session: Session, shop: Shop, member: Membership, role: str | None) -> None:
    """A shop without an owner could not be looked after any more. Raises BadMember.

    The shop's row is locked by whoever asks: two owners must not remove each other at once. Somebody who was only
    invited is no owner yet.
    """
    mine = (Membership.shop_id == shop.id, Membership.role == OWNER, Membership.active_at.is_not(None))
    owners = session.scalar(select(func.count()).where(*mine))
    if member.role == OWNER and member.active_at is not None and role != OWNER and owners == 1:
        raise BadMember("this is the only owner: make somebody else an owner first")


def tell(services: Services, session: Session, shop: Shop, by: User | None, what: str, about: str) -> None:
    """An entry in the log of the shop; without a person it was the command line."""
    who = by.display_name if by else "command line"
    audit.record(
        session, shop_id=shop.id, at=services.now(), user_id=by.id if by else None, actor=who, action=what, detail=about
    )
