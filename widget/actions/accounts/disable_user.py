"""Disable or enable a user, or end their sessions."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from widget.actions.accounts.add_user import BadMember
from widget.services import Services
from widget.storage import audit
from widget.storage.shops import shop_by_slug
from widget.storage.users import User, UserSession, membership, owns_all_of, shops_of


def disable_user(services: Services, *, shop: str, user_id: int, by: User, again: bool = False) -> None:
    """Disable a user and end their sessions, or (``again``) enable the user. Raises BadMember.

    Only an owner of all shops of the user may do this: otherwise one shop could lock users out of another.
    """
    with services.sessions.begin() as session:
        user = _theirs(session, shop, user_id)
        if user.id == by.id:
            raise BadMember("you cannot disable your own account")
        if not owns_all_of(session, by.id, user.id):
            raise BadMember("this user also belongs to other shops. You can remove them from this shop instead")
        if bool(user.disabled_at) == (not again):
            return
        user.disabled_at = None if again else services.now()
        if not again:
            _end_all(services, session, user)
        _tell(services, session, user, by, "user_enabled" if again else "user_disabled")


def sign_out_user(services: Services, *, shop: str, user_id: int, by: User) -> int:
    """End all sessions of a user; return how many there were. Raises BadMember."""
    with services.sessions.begin() as session:
        user = _theirs(session, shop, user_id)
        ended = _end_all(services, session, user)
        if ended:
            _tell(services, session, user, by, "signed_out_by")
        return ended


def _theirs(session: Session, shop: str, user_id: int) -> User:
    owner = shop_by_slug(session, shop)
    member = membership(session, owner.id, user_id) if owner else None
    if member is None:
        raise BadMember("this user is not a member of this shop")
    user = session.get_one(User, user_id, with_for_update=True)
    if member.active_at is None:
        raise BadMember("this user has not accepted the invitation yet. You can remove them instead")
    return user


def _end_all(services: Services, session: Session, user: User) -> int:
    rows = list(
        session.scalars(select(UserSession).where(UserSession.user_id == user.id, UserSession.ended_at.is_(None)))
    )
    for row in rows:
        row.ended_at = services.now()
    return len(rows)


def _tell(services: Services, session: Session, user: User, by: User, what: str) -> None:
    """Add an entry to the audit log of each of the user's shops."""
    for shop, _ in shops_of(session, user.id):
        about, at = user.email, services.now()
        audit.record(session, shop_id=shop.id, at=at, user_id=by.id, actor=by.display_name, action=what, detail=about)
