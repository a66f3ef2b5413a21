"""Passwords (scrypt from werkzeug, strength from zxcvbn) and one-time codes (from the cryptography package)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from datetime import datetime
from functools import cache

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from werkzeug.security import check_password_hash, generate_password_hash

METHOD = "scrypt:65536:8:2"
"""N=2^16, r=8, p=2: one of the settings of OWASP's Password Storage Cheat Sheet."""
MIN_LENGTH, MAX_LENGTH = 10, 200
STRONG_ENOUGH = 2
STEP_SECONDS = 30
MIN_PART, MIN_OTHER_CHARACTERS = 3, 6


class Weak(ValueError):
    """A password that is easy to guess. The message tells the user what to do."""

    code = "weak_password"


def hash_password(password: str, *about: str) -> str:
    """Hash a password for storage. ``about``: words an attacker would try first (name, address). Raises Weak."""
    from zxcvbn import zxcvbn  # Imported here: its word lists are slow to load, and few requests need them.

    if len(password) < MIN_LENGTH:
        raise Weak(f"Use at least {MIN_LENGTH} characters; a few words in a row are easy to remember.")
    if len(password) > MAX_LENGTH:
        raise Weak(f"Use at most {MAX_LENGTH} characters.")
    if _made_of(password, about):
        raise Weak("This contains your name or email address, which makes it easy to guess. Use other words.")
    outcome = zxcvbn(password[:72], user_inputs=[word for word in about if word])
    if outcome["score"] < STRONG_ENOUGH:
        hint = outcome["feedback"]["warning"] or "This password is easy to guess."
        raise Weak(f"{hint.rstrip('.')}. Add one or two unrelated words.")
    return generate_password_hash(password, METHOD)


def _made_of(password: str, about: tuple[str, ...]) -> bool:
    """Return whether a password has few letters left once the parts of a name and an address are removed."""
    rest = "".join(character for character in password.casefold() if character.isalpha())
    parts = {part for text in about for part in re.split(r"[^a-z]+", text.casefold()) if len(part) >= MIN_PART}
    before = rest
    for part in sorted(parts, key=len, reverse=True):
        rest = rest.replace(part, "").replace(part[::-1], "")
    return rest != before and len(rest) < MIN_OTHER_CHARACTERS


def is_password(password_hash: str, password: str) -> bool:
    """Return whether the password is correct.

    An empty hash takes as long to check, so that the response time does not reveal which accounts exist.
    """
    right = check_password_hash(password_hash or _nobody(), password[:MAX_LENGTH])
    return right and bool(password_hash)


@cache
def _nobody() -> str:
    """Return a hash for accounts without one; computed on first use, so that no process pays for it at startup."""
    return generate_password_hash("nobody", METHOD)


def new_token() -> str:
    """Return a token for a link or a cookie: 256 random bits."""
    return secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """Hash a token for storage. Random tokens need no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_totp_secret() -> str:
    return base64.b32encode(secrets.token_bytes(20)).decode()


def totp_address(secret: str, email: str) -> str:
    """Return the provisioning URI that an authenticator app reads from the QR code."""
    return _totp(secret).get_provisioning_uri(email, "Recovery Quiz")


def totp_step(secret: str, code: str, now: datetime, used: int = 0) -> int | None:
    """Return the time step of a correct code if it is later than ``used``, else None.

    The previous, current, and next time steps are accepted (RFC 6238, 5.2).
    """
    step = int(now.timestamp()) // STEP_SECONDS
    digits = "".join(code.split())
    for item in (step - 1, step, step + 1):
        right = secrets.compare_digest(_totp(secret).generate(item * STEP_SECONDS), digits.encode())
        if right and item > used:
            return item
    return None


def _totp(secret: str) -> TOTP:
    return TOTP(base64.b32decode(secret), 6, SHA1(), STEP_SECONDS)  # noqa: S303  # Authenticator apps expect SHA-1.
