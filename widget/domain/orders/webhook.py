"""What comes through a webhook's door, before anybody looks into its body."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

MAX_ID = 255


class BadSignature(Exception):
    """A delivery that none of its secrets signed, or not lately."""

    code = "bad_signature"


class Unreadable(ValueError):
    """A signed body that is nothing we know; the text says why, and repeats nothing of it."""

    code = "unreadable_order"


@dataclass(frozen=True, slots=True)
class VerifiedWebhook:
    """A verified body. ``event_id`` is the same for a repeat; ``topic`` says what it is about, where headers do."""

    event_id: str
    body: bytes
    topic: str = ""


def digest_id(topic: str, body: bytes) -> str:
    """An id for a delivery whose sender gives none that can be trusted: the same body about the same is a repeat."""
    return "sha256:" + hashlib.sha256(topic.encode() + b"\n" + body).hexdigest()


def signed_by(keys: Iterable[bytes], body: bytes, given: str) -> bool:
    """Whether base64(HMAC-SHA256(body)) by one of the keys is what was given; every key is tried, in constant time."""
    good = False
    for key in keys:
        wanted = base64.b64encode(hmac.new(key, body, hashlib.sha256).digest())
        good |= hmac.compare_digest(wanted, given.encode())
    return good
