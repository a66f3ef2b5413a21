"""Signature checks and ids of webhook deliveries, before their bodies are parsed."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass

MAX_ID = 255


class BadSignature(Exception):
    """Raised for a delivery that is not signed with any of its secrets, or whose signature is too old."""

    code = "bad_signature"


class Unreadable(ValueError):
    """Raised for a signed body in an unknown format; the message says why without quoting the body."""

    code = "unreadable_order"


class Ignored(Exception):
    """Raised for a delivery that has nothing for us: another topic, or the platform's own test. The message says so."""


@dataclass(frozen=True, slots=True)
class VerifiedWebhook:
    """A verified webhook delivery.

    ``event_id`` is the same for a repeated delivery. ``topic`` is its subject, if the headers name one.
    """

    event_id: str
    body: bytes
    topic: str = ""


def digest_id(topic: str, body: bytes) -> str:
    """Return an id for a delivery whose sender gives no trustworthy one: a repeat has the same topic and body."""
    return "sha256:" + hashlib.sha256(topic.encode() + b"\n" + body).hexdigest()


def signed_by(keys: Iterable[bytes], body: bytes, given: str) -> bool:
    """Return whether ``given`` is base64(HMAC-SHA256(body)) under one of the keys.

    Every key is tried, and compared in constant time.
    """
    good = False
    for key in keys:
        wanted = base64.b64encode(hmac.new(key, body, hashlib.sha256).digest())
        good |= hmac.compare_digest(wanted, given.encode())
    return good
