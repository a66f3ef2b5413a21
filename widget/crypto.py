"""Encryption, tokens, and keyed hashes. All ciphers come from the cryptography package."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.fernet import Fernet, MultiFernet
from cryptography.fernet import InvalidToken as InvalidFernetToken
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

UNSUBSCRIBE, CONFIRM, PREFERENCES, CHECK_IN = "u", "c", "p", "f"
MAX_TOKEN = 8000
MAX_CIPHERS = 64
WEBHOOK_SECRET, API_KEY, FEED_ADDRESS = "webhook-secret", "api-key", "feed-address"
TOTP, TOTP_OFFER, OIDC, KEPT_FORM = "totp", "totp-offer", "oidc", "kept-form"
DATA_COPY, PRIVACY_EVENT, OUTBOX, UPLOAD = "data-copy", "privacy-event", "outbox", "upload"
BOUNCE_MESSAGE = "bounce-message"
"""Purposes of encryption: a value encrypted for one cannot be decrypted for another."""


class InvalidToken(ValueError):
    """A code, token, or encrypted value that none of our keys can open."""

    code = "unknown_token"


class Crypto:
    """Result codes, link tokens, encrypted secrets, and address hashes. The first key encrypts, all decrypt."""

    def __init__(self, secret_keys: Sequence[str], suppression_key: str) -> None:
        self._codes = [AESSIV(_derived(key, b"result-code", 64)) for key in secret_keys]
        self._tokens = [AESSIV(_derived(key, b"link-token", 64)) for key in secret_keys]
        self._secret_keys = tuple(secret_keys)
        self._ciphers: dict[str, MultiFernet] = {}
        self._memory_key = _derived(secret_keys[0], b"memory-fingerprint", 32)
        self._suppression = _derived(suppression_key, b"address-hash", 32)

    def code(self, plain: bytes, *about: bytes) -> str:
        """Return an opaque, tamper-proof code, always the same for the same plaintext: AES-SIV (RFC 5297)."""
        return _text(self._codes[0].encrypt(plain, list(about)))

    def open_code(self, code: str, *about: bytes) -> bytes:
        """Return the plaintext of a code. Raises InvalidToken."""
        return _open(self._codes, code, list(about))

    def token(self, purpose: str, number: int) -> str:
        """Return a link token for a row id: about 28 characters, valid for one purpose only."""
        plain = number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
        return _text(self._tokens[0].encrypt(plain, [purpose.encode()]))

    def open_token(self, purpose: str, token: str) -> int:
        """Return the row id of a link token. Raises InvalidToken."""
        return int.from_bytes(_open(self._tokens, token, [purpose.encode()]), "big")

    def encrypt(self, secret: str, purpose: str) -> str:
        """Encrypt a text. Only the same ``purpose`` decrypts it: a value made for a form cannot be used in a table."""
        return self.encrypt_bytes(secret.encode(), purpose).decode()

    def decrypt(self, encrypted: str, purpose: str) -> str:
        """Decrypt a text. Raises InvalidToken if none of SECRET_KEYS encrypted it for this purpose."""
        try:
            return self.decrypt_bytes(encrypted.encode(), purpose).decode()
        except UnicodeDecodeError as error:
            raise InvalidToken("this secret is not text") from error

    def encrypt_bytes(self, secret: bytes, purpose: str) -> bytes:
        return self._cipher(purpose).encrypt(secret)

    def decrypt_bytes(self, encrypted: bytes, purpose: str) -> bytes:
        """Decrypt bytes. Raises InvalidToken, as ``decrypt`` does."""
        try:
            return self._cipher(purpose).decrypt(encrypted)
        except InvalidFernetToken as error:
            raise InvalidToken("this secret was encrypted with another key, or for another purpose") from error

    def _cipher(self, purpose: str) -> MultiFernet:
        cipher = self._ciphers.get(purpose)
        if cipher is None:
            label = f"encryption {purpose}".encode()
            keys = [base64.urlsafe_b64encode(_derived(key, label, 32)) for key in self._secret_keys]
            cipher = MultiFernet([Fernet(key) for key in keys])
            if len(self._ciphers) < MAX_CIPHERS:
                self._ciphers[purpose] = cipher
        return cipher

    def fingerprint(self, text: str) -> str:
        """Return a short, stable keyed hash of a text, which identifies the text without revealing it."""
        return hmac.new(self._suppression, b"fingerprint\n" + text.encode(), hashlib.sha256).hexdigest()[:32]

    def memory_fingerprint(self, text: str) -> bytes:
        """Return a short keyed hash for short-lived comparisons in memory; it is never stored."""
        return hashlib.blake2b(text.encode(), key=self._memory_key, digest_size=16).digest()

    def address_hash(self, shop: str, email: str) -> str:
        """Return a keyed hash of an address within a shop: it recognizes the address but does not reveal it."""
        text = f"{shop}\n{normalized(email)}".encode()
        return hmac.new(self._suppression, text, hashlib.sha256).hexdigest()


def normalized(email: str) -> str:
    """Return the canonical form of an address: trimmed and lowercase."""
    return email.strip().casefold()


def _derived(key: str, purpose: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length=length, salt=None, info=b"recovery-quiz " + purpose).derive(key.encode())


def _text(encrypted: bytes) -> str:
    return base64.urlsafe_b64encode(encrypted).rstrip(b"=").decode()


def _open(ciphers: Sequence[AESSIV], text: str, about: list[bytes]) -> bytes:
    try:
        if not text.isascii() or len(text) > MAX_TOKEN:
            raise ValueError
        encrypted = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        if _text(encrypted) != text:
            raise ValueError  # A different encoding of the same bytes: each code has exactly one valid spelling.
    except ValueError as error:
        raise InvalidToken("this link is invalid") from error
    for cipher in ciphers:
        try:
            return cipher.decrypt(encrypted, about)
        except (InvalidTag, ValueError):
            continue
    raise InvalidToken("this link is invalid")
