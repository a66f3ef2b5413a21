"""Sign a user in through an OpenID Connect provider."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from widget.actions.accounts.sign_in import record_in_shops, revoke_other_access, start_session
from widget.actions.errors import ActionError
from widget.services import Services
from widget.storage.users import User, accept_all, is_invited, user_by_email


class NotInvited(ActionError):
    """A refused sign-in. The message is always the same, so as not to reveal which accounts exist (ASVS 6.3.8)."""

    code = "not_invited"

    def __init__(self) -> None:
        super().__init__(
            "This company account has no access to the console. "
            "Ask an owner of your shop to invite its address, or sign in with your password."
        )


def sign_in_by_provider(services: Services, *, subject: str, email: str, verified: bool, browser: str = "") -> str:
    """Sign in a user who is a member of a shop or invited to one; return the session token. Raises NotInvited.

    ``subject`` is the provider's identifier of the account (issuer and ``sub``), which stays the same when an address
    is reassigned to another person. The address is used only at the first sign-in, and only if the provider has
    verified it. This verifies the address as an emailed link would, so invitations take effect. Our own one-time codes
    are not required in addition: authentication is up to the provider.
    """
    token = None
    with services.sessions.begin() as session:
        user, refused = _known(session, subject, email, verified=verified)
        if user is not None and refused:
            record_in_shops(services, session, user, "sign_in_refused", f"by company account: {refused}")
        elif user is not None and is_invited(session, user.id):
            accept_all(session, user.id, services.now())
            if user.oidc_subject is None:
                user.oidc_subject = subject
            if user.verified_at is None:  # The person who set the password never verified the address.
                revoke_other_access(session, services, user)
                user.password_hash, user.verified_at = "", services.now()
                user.encrypted_totp, user.totp_step = "", 0
            token = start_session(services, session, user, browser, how=", by company account")
    if token is None:
        raise NotInvited
    return token


def _known(session: Session, subject: str, email: str, *, verified: bool) -> tuple[User | None, str]:
    """Return (user, reason for refusal)."""
    user = session.scalar(select(User).where(User.oidc_subject == subject).with_for_update())
    if user is None and email:
        user = user_by_email(session, email)
        if user is not None and user.oidc_subject is not None:
            return user, "this address is linked to another company account"
        if user is not None and not verified:
            return user, "the provider has not verified the address"
    if user is not None and user.disabled_at:
        return user, "user disabled"
    return user, ""
