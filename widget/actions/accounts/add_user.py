"""Add a user to a shop's console: a membership, and an invitation that activates it.

Anyone who has an invitation link can set the password of the account. A membership is therefore activated only by a
link that was created for this shop and emailed to the address (or handed over by the operator), and all earlier links
are void by then: a shop that opened an account with a handed-over link can never access another shop through it.
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
    """Add a user to a shop; return (user, token of the invitation link).

    In the console (``by``), the link is to be emailed. On the command line, it is handed over; a user with a verified
    account needs no link (the token is empty, unless ``again``) and becomes a member at once. An existing member gets
    the new role. Raises UnknownShop, BadMember, BadAddress.
    """
    if role not in ROLES:
        raise BadMember(f"unknown role '{role}': use {', '.join(ROLES)}")
    address = checked_address(email).casefold()
    with services.sessions.begin() as session:
        owner = require_shop(session, shop, lock=True)
        user = user_in(services, session, owner, address, role, name)
        tell(services, session, owner, by, "user_added", f"{address} as {role}")
        member = membership(session, owner.id, user.id)
        assert member is not None  # Created above.
        trusted = by is None and user.verified_at is not None and bool(user.password_hash)
        if trusted and member.active_at is None:
            member.active_at = services.now()
        needs_link = again or not user.password_hash or member.active_at is None
        return user, make_link(services, session, user, owner, mailed=by is not None) if needs_link else ""


def user_in(services: Services, session: Session, shop: Shop, address: str, role: str, name: str) -> User:
    """Return the user of an address with a membership in a shop, creating either if missing. Raises BadMember."""
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
    """Invalidate all unused links of a user."""
    unused = (Invitation.user_id == user.id, Invitation.used_at.is_(None))
    session.execute(update(Invitation).where(*unused).values(used_at=services.now()))


def make_link(services: Services, session: Session, user: User, shop: Shop, *, mailed: bool) -> str:
    """Create a one-time link for a user and return its token. ``mailed``: it is sent only to the user's own address."""
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
    """Change a member's role, or (None) remove the membership. Raises BadMember."""
    if role is not None and role not in ROLES:
        raise BadMember(f"unknown role '{role}': use {', '.join(ROLES)}")
    with services.sessions.begin() as session:
        owner = shop_by_slug(session, shop, lock=True)
        member = membership(session, owner.id, user_id) if owner else None
        if owner is None or member is None:
            raise BadMember("this user is not a member of this shop")
        user = session.get_one(User, user_id)
        keep_an_owner(session, owner, member, role)
        if role is None:
            session.delete(member)
            tell(services, session, owner, by, "user_removed", user.email)
        else:
            member.role = role
            tell(services, session, owner, by, "role_changed", f"{user.email} is now {role}")


def keep_an_owner(session: Session, shop: Shop, member: Membership, role: str | None) -> None:
    """Raise BadMember if the change would leave the shop without an owner to manage it.

    The caller holds the lock on the shop's row, so that two owners cannot remove each other at once. A user who has
    only been invited does not count as an owner.
    """
    mine = (Membership.shop_id == shop.id, Membership.role == OWNER, Membership.active_at.is_not(None))
    owners = session.scalar(select(func.count()).where(*mine))
    if member.role == OWNER and member.active_at is not None and role != OWNER and owners == 1:
        raise BadMember("this is the only owner. Make another user an owner first")


def tell(services: Services, session: Session, shop: Shop, by: User | None, what: str, about: str) -> None:
    """Add an entry to the shop's audit log; without a user, the actor is the command line."""
    who = by.display_name if by else "command line"
    audit.record(
        session, shop_id=shop.id, at=services.now(), user_id=by.id if by else None, actor=who, action=what, detail=about
    )
