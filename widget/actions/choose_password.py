"""Come in by a one-time link, choose a password, use one-time codes."""

from __future__ import annotations

from sqlalchemy.orm import Session

from widget.actions.errors import ActionError, UnknownToken
from widget.actions.sign_in import begin_visit, link_person, shut_other_doors
from widget.parts import Parts
from widget.passwords import hash_password, is_password, new_totp_secret, totp_address, totp_step
from widget.storage.audit import note
from widget.storage.people import Person, shops_of


class WrongPassword(ActionError):
    code = "wrong_password"


class WrongCode(ActionError):
    code = "wrong_code"


def link_opens_for(parts: Parts, token: str) -> Person:
    """Whom a link lets in; nothing is changed. Raises UnknownToken."""
    with parts.reads() as session:
        found = link_person(session, parts, token)
    if found is None:
        raise UnknownToken("this link was used already, or is too old: ask for another one")
    return found[1]


def come_in(parts: Parts, *, token: str, name: str, password: str, code: str = "", browser: str = "") -> str:
    """Use up the link and set name and password; the token for the cookie.

    Whoever uses one-time codes gives one here, too; other browsers and links of theirs are shut.
    Raises UnknownToken, Weak, WrongCode.
    """
    person = link_opens_for(parts, token)
    hashed = hash_password(password, person.email, name)
    with parts.sessions.begin() as session:
        found = link_person(session, parts, token, lock=True)
        if found is None:
            raise UnknownToken("this link was used already, or is too old: ask for another one")
        link, person = found
        _check_code(parts, person, code)
        shut_other_doors(session, parts, person)
        link.used_at = parts.now()
        person.name, person.password_hash = name.strip()[:80] or person.name, hashed
        _tell(parts, session, person, "password_chosen")
        return begin_visit(parts, session, person, browser)


def _check_code(parts: Parts, person: Person, code: str) -> None:
    if not person.sealed_totp:
        return
    step = totp_step(parts.seals.unseal(person.sealed_totp), code, parts.now(), person.totp_step)
    if step is None:
        raise WrongCode("Give the six digits that your authenticator shows now.")
    person.totp_step = step


def change_password(parts: Parts, *, person_id: int, old: str, new: str) -> None:
    """Raises WrongPassword, Weak."""
    with parts.sessions.begin() as session:
        person = session.get_one(Person, person_id)
        if not is_password(person.password_hash, old):
            raise WrongPassword("That is not your password of today.")
        person.password_hash = hash_password(new, person.email, person.name)
        _tell(parts, session, person, "password_changed")


def offer_codes(parts: Parts, *, person: Person) -> tuple[str, str]:
    """(a fresh secret, sealed for the form; what an authenticator reads): nothing is kept until a code was right."""
    secret = new_totp_secret()
    return parts.seals.seal(secret), totp_address(secret, person.email)


def use_codes(parts: Parts, *, person_id: int, sealed: str, code: str) -> None:
    """From now on a one-time code is asked for. Raises WrongCode, Forged."""
    step = totp_step(parts.seals.unseal(sealed), code, parts.now())
    if step is None:
        raise WrongCode("These six digits are not the ones of this moment. Check the clock of your phone.")
    with parts.sessions.begin() as session:
        person = session.get_one(Person, person_id)
        person.sealed_totp, person.totp_step = sealed, step
        _tell(parts, session, person, "codes_on")


def stop_codes(parts: Parts, *, person_id: int, password: str) -> None:
    """No one-time codes any more. Raises WrongPassword."""
    with parts.sessions.begin() as session:
        person = session.get_one(Person, person_id)
        if not is_password(person.password_hash, password):
            raise WrongPassword("That is not your password.")
        person.sealed_totp, person.totp_step = "", 0
        _tell(parts, session, person, "codes_off")


def _tell(parts: Parts, session: Session, person: Person, what: str) -> None:
    for shop, _ in shops_of(session, person.id):
        note(session, shop_id=shop.id, at=parts.now(), person_id=person.id, who=person.told, what=what)
