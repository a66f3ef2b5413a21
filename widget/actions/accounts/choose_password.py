"""Accept an invitation, set a password, manage one-time codes."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy.orm import Session

from widget.actions.accounts.one_time_codes import use_code
from widget.actions.accounts.sign_in import end_other_sessions, revoke_other_access, start_session, user_of_invitation
from widget.actions.errors import ActionError, UnknownToken
from widget.crypto import TOTP, TOTP_OFFER, InvalidToken
from widget.passwords import hash_password, is_password, new_totp_secret, totp_address, totp_step
from widget.services import Services
from widget.storage import audit
from widget.storage.users import Invitation, Membership, User, membership, shops_of, user_by_email


class WrongPassword(ActionError):
    code = "wrong_password"


class WrongCode(ActionError):
    code = "wrong_code"


@dataclass(frozen=True, slots=True)
class Opening:
    """The purpose of a link. ``accept``: the account is verified and has a password; only acceptance is missing."""

    user: User
    accept: bool


_GONE = "this link has already been used or has expired. Ask for a new one"


def link_opens_for(services: Services, token: str) -> Opening:
    """Return the purpose of a link without changing anything. Raises UnknownToken."""
    with services.reads() as session:
        link, user, member = _link(services, session, token)
        return Opening(user, _accepts(link, user, member))


def accept_invitation(services: Services, *, token: str) -> User:
    """Accept an invitation: activate the membership. Raises UnknownToken.

    The account has its own password, so this starts no session.
    """
    with services.sessions.begin() as session:
        link, user, member = _link(services, session, token, lock=True)
        if not _accepts(link, user, member) or member is None:
            raise UnknownToken(_GONE)
        link.used_at = member.active_at = services.now()
        _tell(services, session, user, "invitation_accepted")
        return user


def set_password(services: Services, *, token: str, name: str, password: str, code: str = "", browser: str = "") -> str:
    """Redeem the link: set name and password and activate the membership; return the session token for the cookie.

    A user with one-time codes must give one here as well. All other sessions and links of the user end. A link that was
    emailed verifies the address. Raises UnknownToken, Weak, WrongCode.
    """
    opening = link_opens_for(services, token)
    if opening.accept:
        raise UnknownToken("this link is for accepting an invitation. Accept it, then sign in with your password")
    hashed = hash_password(password, opening.user.email, name)  # Outside a transaction, since it is slow.
    with services.sessions.begin() as session:
        link, user, member = _link(services, session, token, lock=True)
        if link.mailed and user.verified_at is None:
            forget_proofs(user)  # The previous holder of the account never verified the address.
        _check_code(services, session, user, code)
        revoke_other_access(session, services, user)
        link.used_at = services.now()
        user.name, user.password_hash = name.strip()[:80] or user.name, hashed
        if link.mailed:
            user.verified_at = user.verified_at or services.now()
        else:  # Another person may have set this password: the account's owner is no longer known.
            user.verified_at = user.oidc_subject = None
        if member is not None:
            member.active_at = member.active_at or services.now()
            session.flush()  # The audit log entries below go to all shops the user is an active member of.
        _tell(services, session, user, "password_chosen")
        return start_session(services, session, user, browser)


def forget_proofs(user: User) -> None:
    """Remove a second factor and a company account that another person may have set up."""
    user.encrypted_totp, user.totp_step, user.oidc_subject = "", 0, None


def _link(
    services: Services, session: Session, token: str, *, lock: bool = False
) -> tuple[Invitation, User, Membership | None]:
    """Return a link with its user and membership.

    Raises UnknownToken for a link that was used, has expired, or whose membership is gone.
    """
    found = user_of_invitation(session, services, token, lock=lock)
    if found is None:
        raise UnknownToken(_GONE)
    link, user = found
    member = membership(session, link.shop_id, user.id) if link.shop_id else None
    if link.shop_id and member is None:
        raise UnknownToken(_GONE)
    return link, user, member


def _accepts(link: Invitation, user: User, member: Membership | None) -> bool:
    waits = member is not None and member.active_at is None
    return link.mailed and waits and bool(user.password_hash) and user.verified_at is not None


def _check_code(services: Services, session: Session, user: User, code: str) -> None:
    if user.encrypted_totp and not use_code(services, session, user, code):
        raise WrongCode("Enter the current six-digit code from your authenticator app.")


def change_password(services: Services, *, user_id: int, old: str, new: str, keep: int | None = None) -> None:
    """Change the password and end all sessions except ``keep``. Raises WrongPassword, Weak."""
    user = _with_password(services, user_id, old)
    hashed = hash_password(new, user.email, user.name)
    with services.sessions.begin() as session:
        fresh = _unchanged(session, user)
        fresh.password_hash = hashed
        end_other_sessions(services, session, fresh, keep)
        _tell(services, session, fresh, "password_changed")


def offer_codes(services: Services, *, user: User) -> tuple[str, str]:
    """Return (new secret, encrypted for this user's form; address for the authenticator app). Nothing is stored yet."""
    secret = new_totp_secret()
    return services.crypto.encrypt(secret, f"{TOTP_OFFER} {user.id}"), totp_address(secret, user.email)


def use_codes(
    services: Services,
    *,
    user_id: int,
    encrypted: str,
    code: str,
    password: str,
    old_code: str = "",
    keep: int | None = None,
) -> None:
    """Require one-time codes of this secret from now on; end all sessions except ``keep``.

    To replace an existing secret, a code of the old one is required as well. Raises WrongPassword, WrongCode.
    """
    user = _with_password(services, user_id, password)
    try:
        secret = services.crypto.decrypt(encrypted, f"{TOTP_OFFER} {user_id}")
    except InvalidToken as error:
        raise WrongCode("This page has expired. Start over.") from error
    step = totp_step(secret, code, services.now())
    if step is None:
        raise WrongCode("Incorrect code. Make sure that your phone's clock is correct, then try again.")
    with services.sessions.begin() as session:
        fresh = _unchanged(session, user)
        if fresh.encrypted_totp and not use_code(services, session, fresh, old_code):
            raise WrongCode("Enter a code from your current authenticator app, too.")
        fresh.encrypted_totp, fresh.totp_step = services.crypto.encrypt(secret, TOTP), step
        end_other_sessions(services, session, fresh, keep)
        _tell(services, session, fresh, "codes_on")


def stop_codes(services: Services, *, user_id: int, password: str, code: str, keep: int | None = None) -> None:
    """Turn off one-time codes and end all sessions except ``keep``. Raises WrongPassword, WrongCode."""
    user = _with_password(services, user_id, password)
    with services.sessions.begin() as session:
        fresh = _unchanged(session, user)
        _check_code(services, session, fresh, code)
        fresh.encrypted_totp, fresh.totp_step = "", 0
        end_other_sessions(services, session, fresh, keep)
        _tell(services, session, fresh, "codes_off")


def reset_codes_of(services: Services, *, email: str) -> bool:
    """Turn off one-time codes for a user who lost the authenticator (for the operator); return False if unknown."""
    with services.sessions.begin() as session:
        user = user_by_email(session, email)
        if user is None:
            return False
        user.encrypted_totp, user.totp_step = "", 0
        end_other_sessions(services, session, user, None)
        _tell(services, session, user, "codes_off")
        return True


def _with_password(services: Services, user_id: int, password: str) -> User:
    """Return the user if the password is correct, compared without an open transaction. Raises WrongPassword."""
    with services.reads() as session:
        user = session.get_one(User, user_id)
    if not is_password(user.password_hash, password):
        raise WrongPassword("Incorrect current password.")
    return user


def _unchanged(session: Session, user: User) -> User:
    """Return the user's row, locked, if the password is still the one that was compared. Raises WrongPassword."""
    fresh = session.get_one(User, user.id, with_for_update=True)
    if fresh.password_hash != user.password_hash:
        raise WrongPassword("Your password was changed in the meantime. Try again.")
    return fresh


def _tell(services: Services, session: Session, user: User, what: str) -> None:
    for shop, _ in shops_of(session, user.id):
        audit.record(session, shop_id=shop.id, at=services.now(), user_id=user.id, actor=user.display_name, action=what)
