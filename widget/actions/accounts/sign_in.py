"""Sign users in and out; look up sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from widget.actions.accounts.one_time_codes import use_code
from widget.actions.errors import ActionError
from widget.passwords import is_password, new_token, token_hash
from widget.services import Services
from widget.storage import audit
from widget.storage.users import Invitation, User, UserSession, shops_of, user_by_email

IDLE, LONGEST = timedelta(hours=4), timedelta(hours=12)
SEEN_EVERY = timedelta(minutes=1)
"""Interval of ``seen_at`` updates. A session ends after IDLE without use, at the latest after LONGEST (ASVS 7.3)."""


class NotSignedIn(ActionError):
    """A refused sign-in. The message is always the same, so as not to reveal which accounts exist (ASVS 6.3.8)."""

    code = "not_signed_in"

    def __init__(self) -> None:
        super().__init__("Incorrect email, password, or code.")


class CodeNeeded(ActionError):
    """The password is correct, but the user also needs to give a one-time code."""

    code = "code_needed"


@dataclass(frozen=True, slots=True)
class Visitor:
    """The user and session of a cookie. ``roles``: the user's role by shop slug."""

    user: User
    sign_in: UserSession
    roles: dict[str, str]


def sign_in(services: Services, *, email: str, password: str, code: str = "", browser: str = "") -> str:
    """Sign a user in; return the session token for the cookie. Raises NotSignedIn, CodeNeeded.

    The password is compared without an open transaction, since that is slow and SQLite has only one writer.
    """
    with services.reads() as session:
        known = user_by_email(session, email)
    right = is_password(known.password_hash if known else "", password)
    if known is not None and right and not known.disabled_at and known.encrypted_totp and not code:
        raise CodeNeeded("Enter the six-digit code from your authenticator app.")
    token = None
    if known is not None:
        with services.sessions.begin() as session:
            user = session.get_one(User, known.id, with_for_update=True)
            if not right or user.disabled_at or user.password_hash != known.password_hash:
                record_in_shops(services, session, user, "sign_in_refused", "incorrect password, or user disabled")
            else:
                token = _with_code(services, session, user, code, browser)
    if token is None:
        raise NotSignedIn
    return token


def _with_code(services: Services, session: Session, user: User, code: str, browser: str) -> str | None:
    if user.encrypted_totp and not use_code(services, session, user, code):
        record_in_shops(services, session, user, "sign_in_refused", "incorrect one-time code")
        return None
    return start_session(services, session, user, browser)


def start_session(services: Services, session: Session, user: User, browser: str, how: str = "") -> str:
    """Start a session for an authenticated user; return its token.

    The audit log entry consists of the browser and ``how``.
    """
    token, now = new_token(), services.now()
    row = UserSession(user_id=user.id, token_hash=token_hash(token), browser=browser[:120], created_at=now, seen_at=now)
    session.add(row)
    record_in_shops(services, session, user, "signed_in", browser[:120] + how)
    return token


def visitor_of(services: Services, token: str) -> Visitor | None:
    """Return the visitor of a session token; None if the session ended or expired, or the user is disabled."""
    now = services.now()
    with services.reads() as session:
        row = session.scalar(select(UserSession).where(UserSession.token_hash == token_hash(token)))
        user = session.get(User, row.user_id) if row else None
        if row is None or user is None or user.disabled_at or row.ended_at:
            return None
        if now - row.seen_at > IDLE or now - row.created_at > LONGEST:
            return None
        roles = {shop.slug: role for shop, role in shops_of(session, user.id)}
    if now - row.seen_at > SEEN_EVERY:
        with services.sessions.begin() as session:
            session.get_one(UserSession, row.id).seen_at = now
    return Visitor(user, row, roles)


def sign_out(services: Services, *, user_id: int, session_id: int | None = None) -> None:
    """End one session of a user, or (``session_id`` None) all of them."""
    with services.sessions.begin() as session:
        query = select(UserSession).where(UserSession.user_id == user_id, UserSession.ended_at.is_(None))
        if session_id is not None:
            query = query.where(UserSession.id == session_id)
        ended = list(session.scalars(query))
        for row in ended:
            row.ended_at = services.now()
        user = session.get(User, user_id)
        if user and ended:
            record_in_shops(services, session, user, "signed_out", f"{len(ended)} sessions" if len(ended) > 1 else "")


def user_of_invitation(
    session: Session, services: Services, token: str, *, lock: bool = False
) -> tuple[Invitation, User] | None:
    """Return an unused link and its user.

    Returns None if the link was used, has expired, or never existed, or if the user is disabled.
    """
    query = select(Invitation).where(Invitation.token_hash == token_hash(token))
    row = session.scalar(query.with_for_update() if lock else query)
    user = session.get(User, row.user_id) if row else None
    if row is None or user is None or row.used_at or row.expires_at <= services.now() or user.disabled_at:
        return None
    return row, user


def record_in_shops(services: Services, session: Session, user: User, what: str, about: str) -> None:
    """Add an entry to the audit log of each of the user's shops.

    For a refused sign-in, the actor is the address that was tried: the person is not known.
    """
    who = user.email if what == "sign_in_refused" else user.display_name
    for shop, _ in shops_of(session, user.id):
        audit.record(session, shop_id=shop.id, at=services.now(), user_id=user.id, actor=who, action=what, detail=about)


def end_other_sessions(services: Services, session: Session, user: User, keep: int | None) -> None:
    """End all sessions except ``keep`` after a change of password or one-time codes, which requires a new sign-in."""
    mine = [UserSession.user_id == user.id, UserSession.ended_at.is_(None)]
    if keep is not None:
        mine.append(UserSession.id != keep)
    session.execute(update(UserSession).where(*mine).values(ended_at=services.now()))


def revoke_other_access(session: Session, services: Services, user: User) -> None:
    """End all sessions and invalidate all one-time links of a user whose password is reset."""
    now = services.now()
    ins = (UserSession.user_id == user.id, UserSession.ended_at.is_(None))
    session.execute(update(UserSession).where(*ins).values(ended_at=now))
    links = (Invitation.user_id == user.id, Invitation.used_at.is_(None))
    session.execute(update(Invitation).where(*links).values(used_at=now))
