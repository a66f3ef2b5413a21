"""Sign somebody in, see who is signed in, sign out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from widget.actions.errors import ActionError
from widget.crypto import TOTP
from widget.passwords import is_password, new_token, token_hash, totp_step
from widget.services import Services
from widget.storage.audit import note
from widget.storage.people import Person, SignIn, SignInLink, person_by_email, shops_of

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

    person: Person
    sign_in: SignIn
    roles: dict[str, str]


def sign_in(services: Services, *, email: str, password: str, code: str = "", browser: str = "") -> str:
    """The token for the cookie. Raises NotSignedIn, CodeNeeded.

    The password is compared with no transaction open: it takes its time, and SQLite has one writer.
    """
    with services.reads() as session:
        known = person_by_email(session, email)
    right = is_password(known.password_hash if known else "", password)
    if known is not None and right and not known.disabled_at and known.encrypted_totp and not code:
        raise CodeNeeded("Now the six digits from your authenticator.")
    token = None
    if known is not None:
        with services.sessions.begin() as session:
            person = session.get_one(Person, known.id, with_for_update=True)
            if not right or person.disabled_at or person.password_hash != known.password_hash:
                note_in_shops(services, session, person, "sign_in_refused", "wrong password, or disabled")
            else:
                token = _with_code(services, session, person, code, browser)
    if token is None:
        raise NotSignedIn
    return token


def _with_code(services: Services, session: Session, person: Person, code: str, browser: str) -> str | None:
    if person.encrypted_totp:
        step = totp_step(services.crypto.decrypt(person.encrypted_totp, TOTP), code, services.now(), person.totp_step)
        unused = update(Person).where(Person.id == person.id, Person.totp_step < (step or 0)).values(totp_step=step)
        # The statement decides: of two who bring the same code at once, one is refused (RFC 6238, 5.2).
        if step is None or not session.execute(unused).rowcount:  # type: ignore[attr-defined]
            note_in_shops(services, session, person, "sign_in_refused", "wrong one-time code")
            return None
    return begin_visit(services, session, person, browser)


def begin_visit(services: Services, session: Session, person: Person, browser: str, how: str = "") -> str:
    """A fresh token for a person who has shown who they are; ``how`` goes into the log behind the browser."""
    token, now = new_token(), services.now()
    row = SignIn(person_id=person.id, token_hash=token_hash(token), browser=browser[:120], created_at=now, seen_at=now)
    session.add(row)
    note_in_shops(services, session, person, "signed_in", browser[:120] + how)
    return token


def visitor_of(services: Services, token: str) -> Visitor | None:
    """Who this cookie belongs to, now; None once it ended, was not used for long, or the person is disabled."""
    now = services.now()
    with services.reads() as session:
        row = session.scalar(select(SignIn).where(SignIn.token_hash == token_hash(token)))
        person = session.get(Person, row.person_id) if row else None
        if row is None or person is None or person.disabled_at or row.ended_at:
            return None
        if now - row.seen_at > IDLE or now - row.created_at > LONGEST:
            return None
        roles = {shop.slug: role for shop, role in shops_of(session, person.id)}
    if now - row.seen_at > SEEN_EVERY:
        with services.sessions.begin() as session:
            session.get_one(SignIn, row.id).seen_at = now
    return Visitor(person, row, roles)


def sign_out(services: Services, *, person_id: int, sign_in_id: int | None = None) -> None:
    """End one sign-in of a person, or (None) all of them."""
    with services.sessions.begin() as session:
        query = select(SignIn).where(SignIn.person_id == person_id, SignIn.ended_at.is_(None))
        if sign_in_id is not None:
            query = query.where(SignIn.id == sign_in_id)
        ended = list(session.scalars(query))
        for row in ended:
            row.ended_at = services.now()
        person = session.get(Person, person_id)
        if person and ended:
            note_in_shops(
                services, session, person, "signed_out", f"{len(ended)} of their browsers" if len(ended) > 1 else ""
            )


def link_person(
    session: Session, services: Services, token: str, *, lock: bool = False
) -> tuple[SignInLink, Person] | None:
    """Whom an unused link lets in; None for one that was used, is too old, or never was."""
    query = select(SignInLink).where(SignInLink.token_hash == token_hash(token))
    row = session.scalar(query.with_for_update() if lock else query)
    person = session.get(Person, row.person_id) if row else None
    if row is None or person is None or row.used_at or row.expires_at <= services.now() or person.disabled_at:
        return None
    return row, person


def note_in_shops(services: Services, session: Session, person: Person, what: str, about: str) -> None:
    """In the log of each of their shops; of a refused one only the address that was tried is known."""
    who = person.email if what == "sign_in_refused" else person.told
    for shop, _ in shops_of(session, person.id):
        note(session, shop_id=shop.id, at=services.now(), person_id=person.id, who=who, what=what, about=about)


def end_other_sessions(services: Services, session: Session, person: Person, keep: int | None) -> None:
    """After a change of how somebody proves who they are: whoever came in before does so again, but for ``keep``."""
    mine = [SignIn.person_id == person.id, SignIn.ended_at.is_(None)]
    if keep is not None:
        mine.append(SignIn.id != keep)
    session.execute(update(SignIn).where(*mine).values(ended_at=services.now()))


def revoke_other_access(session: Session, services: Services, person: Person) -> None:
    """A password chosen anew ends all sign-ins and all other one-time links of a person."""
    now = services.now()
    ins = (SignIn.person_id == person.id, SignIn.ended_at.is_(None))
    session.execute(update(SignIn).where(*ins).values(ended_at=now))
    links = (SignInLink.person_id == person.id, SignInLink.used_at.is_(None))
    session.execute(update(SignInLink).where(*links).values(used_at=now))
