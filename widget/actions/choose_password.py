"""Accept an invitation, choose a password, use one-time codes."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import update
from sqlalchemy.orm import Session

from widget.actions.errors import ActionError, UnknownToken
from widget.actions.sign_in import begin_visit, end_other_sessions, link_person, revoke_other_access
from widget.crypto import TOTP, TOTP_OFFER, InvalidToken
from widget.passwords import hash_password, is_password, new_totp_secret, totp_address, totp_step
from widget.services import Services
from widget.storage.audit import note
from widget.storage.people import Membership, Person, SignInLink, membership, person_by_email, shops_of


class WrongPassword(ActionError):
    code = "wrong_password"


class WrongCode(ActionError):
    code = "wrong_code"


@dataclass(frozen=True, slots=True)
class Opening:
    """What a link is for. ``accept``: the account has an owner and a password, and a button is all that is left."""

    person: Person
    accept: bool


_GONE = "this link was used already, or is too old: ask for another one"


def link_opens_for(services: Services, token: str) -> Opening:
    """What a link is for; nothing is changed. Raises UnknownToken."""
    with services.reads() as session:
        link, person, member = _link(services, session, token)
        return Opening(person, _accepts(link, person, member))


def accept_invitation(services: Services, *, token: str) -> Person:
    """Make a membership take effect. The account is its owner's: no session begins by it. Raises UnknownToken."""
    with services.sessions.begin() as session:
        link, person, member = _link(services, session, token, lock=True)
        if not _accepts(link, person, member) or member is None:
            raise UnknownToken(_GONE)
        link.used_at = member.active_at = services.now()
        _tell(services, session, person, "invitation_accepted")
        return person


def come_in(services: Services, *, token: str, name: str, password: str, code: str = "", browser: str = "") -> str:
    """Use up the link, set name and password, and let the membership of its shop take effect; the token for the cookie.

    Whoever uses one-time codes gives one here, too; other browsers and links of theirs are shut. A link that was mailed
    proves the address. Raises UnknownToken, Weak, WrongCode.
    """
    opening = link_opens_for(services, token)
    if opening.accept:
        raise UnknownToken("this link is for accepting an invitation: sign in with your password afterwards")
    hashed = hash_password(password, opening.person.email, name)  # Outside of any transaction: it takes its time.
    with services.sessions.begin() as session:
        link, person, member = _link(services, session, token, lock=True)
        if link.mailed and person.verified_at is None:
            forget_proofs(person)  # Whoever had this account before has never shown that the address is theirs.
        _check_code(services, session, person, code)
        revoke_other_access(session, services, person)
        link.used_at = services.now()
        person.name, person.password_hash = name.strip()[:80] or person.name, hashed
        if link.mailed:
            person.verified_at = person.verified_at or services.now()
        else:  # Somebody else may have chosen this password: nobody knows any more whose account it is.
            person.verified_at = person.oidc_subject = None
        if member is not None:
            member.active_at = member.active_at or services.now()
            session.flush()  # The log below goes to the shops where they are in.
        _tell(services, session, person, "password_chosen")
        return begin_visit(services, session, person, browser)


def forget_proofs(person: Person) -> None:
    """A second factor and a company account that somebody else may have set up."""
    person.encrypted_totp, person.totp_step, person.oidc_subject = "", 0, None


def _link(
    services: Services, session: Session, token: str, *, lock: bool = False
) -> tuple[SignInLink, Person, Membership | None]:
    """Raises UnknownToken for a link that was used, is too old, or whose membership is gone."""
    found = link_person(session, services, token, lock=lock)
    if found is None:
        raise UnknownToken(_GONE)
    link, person = found
    member = membership(session, link.shop_id, person.id) if link.shop_id else None
    if link.shop_id and member is None:
        raise UnknownToken(_GONE)
    return link, person, member


def _accepts(link: SignInLink, person: Person, member: Membership | None) -> bool:
    waits = member is not None and member.active_at is None
    return link.mailed and waits and bool(person.password_hash) and person.verified_at is not None


def _check_code(services: Services, session: Session, person: Person, code: str) -> None:
    if person.encrypted_totp and not use_step(services, session, person, code):
        raise WrongCode("Give the six digits that your authenticator shows now.")


def use_step(services: Services, session: Session, person: Person, code: str) -> bool:
    """Whether a one-time code is right and was not used before, also by somebody else at this very moment."""
    step = totp_step(services.crypto.decrypt(person.encrypted_totp, TOTP), code, services.now(), person.totp_step)
    if step is None:
        return False
    fresh = update(Person).where(Person.id == person.id, Person.totp_step < step).values(totp_step=step)
    return bool(session.execute(fresh).rowcount)  # type: ignore[attr-defined]


def change_password(services: Services, *, person_id: int, old: str, new: str, keep: int | None = None) -> None:
    """Set another password and end all sessions but ``keep``. Raises WrongPassword, Weak."""
    person = _with_password(services, person_id, old)
    hashed = hash_password(new, person.email, person.name)
    with services.sessions.begin() as session:
        fresh = _unchanged(session, person)
        fresh.password_hash = hashed
        end_other_sessions(services, session, fresh, keep)
        _tell(services, session, fresh, "password_changed")


def offer_codes(services: Services, *, person: Person) -> tuple[str, str]:
    """(a fresh secret, encrypted for this person's form; what an authenticator reads). Nothing is kept yet."""
    secret = new_totp_secret()
    return services.crypto.encrypt(secret, f"{TOTP_OFFER} {person.id}"), totp_address(secret, person.email)


def use_codes(
    services: Services,
    *,
    person_id: int,
    encrypted: str,
    code: str,
    password: str,
    old_code: str = "",
    keep: int | None = None,
) -> None:
    """From now on a one-time code of this secret is asked for; all sessions but ``keep`` end.

    Whoever replaces one secret by another gives a code of the old one, too. Raises WrongPassword, WrongCode.
    """
    person = _with_password(services, person_id, password)
    try:
        secret = services.crypto.decrypt(encrypted, f"{TOTP_OFFER} {person_id}")
    except InvalidToken as error:
        raise WrongCode("This page is too old. Begin again.") from error
    step = totp_step(secret, code, services.now())
    if step is None:
        raise WrongCode("These six digits are not the ones of this moment. Check the clock of your phone.")
    with services.sessions.begin() as session:
        fresh = _unchanged(session, person)
        if fresh.encrypted_totp and not use_step(services, session, fresh, old_code):
            raise WrongCode("Give a code of the authenticator you use today as well.")
        fresh.encrypted_totp, fresh.totp_step = services.crypto.encrypt(secret, TOTP), step
        end_other_sessions(services, session, fresh, keep)
        _tell(services, session, fresh, "codes_on")


def stop_codes(services: Services, *, person_id: int, password: str, code: str, keep: int | None = None) -> None:
    """No one-time codes any more; all sessions but ``keep`` end. Raises WrongPassword, WrongCode."""
    person = _with_password(services, person_id, password)
    with services.sessions.begin() as session:
        fresh = _unchanged(session, person)
        _check_code(services, session, fresh, code)
        fresh.encrypted_totp, fresh.totp_step = "", 0
        end_other_sessions(services, session, fresh, keep)
        _tell(services, session, fresh, "codes_off")


def reset_codes_of(services: Services, *, email: str) -> bool:
    """For the operator: somebody lost their authenticator. False where nobody has this address."""
    with services.sessions.begin() as session:
        person = person_by_email(session, email)
        if person is None:
            return False
        person.encrypted_totp, person.totp_step = "", 0
        end_other_sessions(services, session, person, None)
        _tell(services, session, person, "codes_off")
        return True


def _with_password(services: Services, person_id: int, password: str) -> Person:
    """The person, once the password was right; compared with no transaction open. Raises WrongPassword."""
    with services.reads() as session:
        person = session.get_one(Person, person_id)
    if not is_password(person.password_hash, password):
        raise WrongPassword("That is not your current password.")
    return person


def _unchanged(session: Session, person: Person) -> Person:
    """The row to change, locked, if its password is still the one that was compared. Raises WrongPassword."""
    fresh = session.get_one(Person, person.id, with_for_update=True)
    if fresh.password_hash != person.password_hash:
        raise WrongPassword("Your password was changed meanwhile. Try again.")
    return fresh


def _tell(services: Services, session: Session, person: Person, what: str) -> None:
    for shop, _ in shops_of(session, person.id):
        note(session, shop_id=shop.id, at=services.now(), person_id=person.id, who=person.told, what=what)
