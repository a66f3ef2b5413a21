"""DKIM signatures for providers that do not sign emails: rsa-sha256, relaxed/relaxed.

Source: RFC 6376 (3.4.2 and 3.4.4: relaxed canonicalization; 3.5: the header field; 3.7: hashed and signed content). RFC
8058 requires List-Unsubscribe and List-Unsubscribe-Post to be signed.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

MIN_BITS = 1024
SIGNED = (
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "list-id",
    "list-unsubscribe",
    "list-unsubscribe-post",
    "auto-submitted",
)
_BLANKS = re.compile(rb"[ \t]+")
_FOLDS = re.compile(rb"\r\n(?=[ \t])")


class DkimSigner:
    """A signer that prepends a DKIM signature to a message (bytes, CRLF). Raises ValueError if the key is unusable."""

    def __init__(self, pem: bytes, *, domain: str, selector: str, clock: Callable[[], float] = time.time) -> None:
        key = load_pem_private_key(pem, password=None)
        if not isinstance(key, RSAPrivateKey) or key.key_size < MIN_BITS:
            raise ValueError(f"the key must be an RSA key of at least {MIN_BITS} bits")
        self._key, self._domain, self._selector, self._clock = key, domain, selector, clock

    def __call__(self, message: bytes) -> bytes:
        head, _, body = message.partition(b"\r\n\r\n")
        fields = [(name.strip().lower(), line) for line in _unfolded(head) for name, _, _ in [line.partition(b":")]]
        signed = [(name, line) for name in map(str.encode, SIGNED) for known, line in fields if known == name]
        digest = base64.b64encode(hashlib.sha256(relaxed_body(body)).digest()).decode()
        names = ":".join(name.decode() for name, _ in signed)
        value = (
            f"v=1; a=rsa-sha256; c=relaxed/relaxed; d={self._domain}; s={self._selector}; t={int(self._clock())};"
            f" h={names}; bh={digest}; b="
        )
        text = b"".join(relaxed_field(line) + b"\r\n" for _, line in signed)
        text += relaxed_field(b"DKIM-Signature: " + value.encode())
        signature = base64.b64encode(self._key.sign(text, PKCS1v15(), SHA256())).decode()
        return _folded(f"DKIM-Signature: {value}{signature}").encode() + b"\r\n" + message


def _unfolded(head: bytes) -> list[bytes]:
    return _FOLDS.sub(b"", head).split(b"\r\n")


def relaxed_field(line: bytes) -> bytes:
    """Canonicalize a header field: lowercase the name, collapse whitespace, and trim the ends (RFC 6376, 3.4.2)."""
    name, _, value = line.partition(b":")
    return name.strip().lower() + b":" + _BLANKS.sub(b" ", _FOLDS.sub(b"", value)).strip()


def relaxed_body(body: bytes) -> bytes:
    """Canonicalize a body: collapse whitespace, strip line ends, and drop trailing empty lines (RFC 6376, 3.4.4)."""
    lines = [_BLANKS.sub(b" ", line).rstrip(b" ") for line in body.split(b"\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def _folded(line: str) -> str:
    """Fold a header at its spaces and within the signature itself, where whitespace is ignored."""
    *words, signature = line.split(" ")
    pieces = [signature[at : at + 70] for at in range(0, len(signature), 70)]
    rows, row = [], words[0]
    for word in [*words[1:], *pieces]:
        if len(row) + len(word) > 76:
            rows.append(row)
            row = word
        else:
            row += f" {word}"
    return "\r\n ".join([*rows, row])
