"""Sign users in and out; look up sessions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from widget.actions.errors import ActionError
from widget.crypto import TOTP
from widget.passwords import is_password, new_token, token_hash, totp_step
from widget.services import Services
from widget.storage import audit
from widget.storage.users import Invitation, User, UserSession, shops_of, user_by_email

IDLE, LONGEST = timedelta(hours=4), timedelta(hours=12)
SEEN_EVERY = timedelta(minutes=1)
"""A cookie is good until it was not used for IDLE, and never longer than LONGEST (ASVS 7.3)."""


class NotSignedIn(ActionError):
    """The same words whatever was wrong: who exists here is nobody's business (ASVS 6.3.8)."""

    code = "not_signed_in"

    def __init__(self) -> None:
        super().__init__("Incorrect email, password, or code.")


class CodeNeeded(ActionError):
    """The password was right, and this person also uses one-time codes."""

    code = "code_needed"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who a cookie belongs to, with the role in each shop by its slug."""

    user: User
    sign_in: UserSession
    roles: dict[str, str]


def sign_in(services: Services, *, email: str, password: str, code: str = "", browser: str = "") -> str:
    """The token for the cookie. Raises NotSignedIn, CodeNeeded.

    The password is compared with no transaction open: it takes its time, and SQLite has one writer.
    """
    with services.reads() as session:
        known = user_by_email(session, email)
    right = is_password(known.password_hash if known else "", password)
    if known is not None and right and not known.disabled_at and known.encrypted_totp and not code:
        raise CodeNeeded("Now the six digits from your authenticator.")
    token = None
    if known is not None:
        with services.sessions.begin() as session:
            user = session.get_one(User, known.id, with_for_update=True)
            if not right or user.disabled_at or user.password_hash != known.password_hash:
                note_in_shops(services, session, user, "sign_in_refused", "wrong password, or disabled")
            else:
                token = _with_code(services, session, user, code, browser)
    if token is None:
        raise NotSignedIn
    return token


def _with_code(services: Services, session: Session, user: User, code: str, browser: str) -> str | None:
    if user.encrypted_totp:
        step = totp_step(services.crypto.decrypt(user.encrypted_totp, TOTP), code, services.now(), user.totp_step)
        unused = update(User).where(User.id == user.id, User.totp_step < (step or 0)).values(totp_step=step)
        # The statement decides: of two who bring the same code at once, one is refused (RFC 6238, 5.2).
        if step is None or not session.execute(unused).rowcount:  # type: ignore[attr-defined]
            note_in_shops(services, session, user, "sign_in_refused", "wrong one-time code")
            return None
    return start_session(services, session, user, browser)


def start_session(services: Services, session: Session, user: User, browser: str, how: str = "") -> str:
    """A fresh token for a person who has shown who they are; ``how`` goes into the log behind the browser."""
    token, now = new_token(), services.now()
    row = UserSession(user_id=user.id, token_hash=token_hash(token), browser=browser[:120], created_at=now, seen_at=now)
    session.add(row)
    note_in_shops(services, session, user, "signed_in", browser[:120] + how)
    return token


def visitor_of(services: Services, token: str) -> Visitor | None:
    """Who this cookie belongs to, now; None once it ended, was not used for long, or the person is disabled."""
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
    """End one sign-in of a person, or (None) all of them."""
    with services.sessions.begin() as session:
        query = select(UserSession).where(UserSession.user_id == user_id, UserSession.ended_at.is_(None))
        if session_id is not None:
            query = query.where(UserSession.id == session_id)
        ended = list(session.scalars(query))
        for row in ended:
            row.ended_at = services.now()
        user = session.get(User, user_id)
        if user and ended:
            note_in_shops(
                services, session, user, "signed_out", f"{len(ended)} of their browsers" if len(ended) > 1 else ""
            )


def user_of_invitation(
    session: Session, services: Services, token: str, *, lock: bool = False
) -> tuple[Invitation, User] | None:
    """Whom an unused link lets in; None for one that was used, is too old, or never was."""
    query = select(Invitation).where(Invitation.token_hash == token_hash(token))
    row = session.scalar(query.with_for_update() if lock else query)
    user = session.get(User, row.user_id) if row else None
    if row is None or user is None or row.used_at or row.expires_at <= services.now() or user.disabled_at:
        return None
    return row, user


def note_in_shops(services: Services, session: Session, user: User, what: str, about: str) -> None:
    """In the log of each of their shops; of a refused one only the address that was tried is known."""
    who = user.email if what == "sign_in_refused" else user.display_name
    for shop, _ in shops_of(session, user.id):
        audit.record(session, shop_id=shop.id, at=services.now(), user_id=user.id, actor=who, action=what, detail=about)


def end_other_sessions(services: Services, session: Session, user: User, keep: int | None) -> None:
    """After a change of how somebody proves who they are: whoever came in before does so again, but for ``keep``."""
    mine = [UserSession.user_id == user.id, UserSession.ended_at.is_(None)]
    if keep is not None:
        mine.append(UserSession.id != keep)
    session.execute(update(UserSession).where(*mine).values(ended_at=services.now()))


def revoke_other_access(session: Session, services: Services, user: User) -> None:
    """A password chosen anew ends all sign-ins and all other one-time links of a person."""
    now = services.now()
    ins = (UserSession.user_id == user.id, UserSession.ended_at.is_(None))
    session.execute(update(UserSession).where(*ins).values(ended_at=now))
    links = (Invitation.user_id == user.id, Invitation.used_at.is_(None))
    session.execute(update(Invitation).where(*links).values(used_at=now))
