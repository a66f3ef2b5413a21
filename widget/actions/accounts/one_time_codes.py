"""One-time codes of an authenticator app (RFC 6238)."""

from __future__ import annotations

from sqlalchemy import update
from sqlalchemy.orm import Session

from widget.crypto import TOTP, InvalidToken
from widget.passwords import totp_step
from widget.services import Services
from widget.storage.users import User
from widget.telemetry import log


def use_code(services: Services, session: Session, user: User, code: str) -> bool:
    """Return whether a one-time code is correct and unused, and mark it as used.

    Of two concurrent requests with the same code, one is refused (RFC 6238, 5.2). A secret that cannot be decrypted,
    because its key is gone, accepts no code: another owner can reset the second factor.
    """
    try:
        secret = services.crypto.decrypt(user.encrypted_totp, TOTP)
    except InvalidToken:
        log("accounts").error("second_factor_unreadable", user=user.id)
        return False
    step = totp_step(secret, code, services.now(), user.totp_step)
    if step is None:
        return False
    fresh = update(User).where(User.id == user.id, User.totp_step < step).values(totp_step=step)
    return bool(session.execute(fresh).rowcount)  # type: ignore[attr-defined]  # Results of updates have it.
