"""Twilio SendGrid: its event webhook, signed with ECDSA over the exact bytes.

Source: Twilio SendGrid, "Event Webhook security features": P-256, SHA-256, over timestamp + raw body, including a
trailing line break; "Event Webhook reference": a ``bounce`` of type ``blocked`` is not a hard bounce; ``sg_event_id``
repeats.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from widget.domain.email.email_event import COMPLAINT, DELIVERED, HARD_BOUNCE, SOFT_BOUNCE, UNSUBSCRIBED, EmailReport
from widget.email.events.reading import ReportUnreadable, items_of, json_value, moment, text

SIGNATURE, STAMP = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"
EVENT_KINDS = {
    "delivered": DELIVERED,
    "spamreport": COMPLAINT,
    "unsubscribe": UNSUBSCRIBED,
    "group_unsubscribe": UNSUBSCRIBED,
}


def check(headers: Mapping[str, str], body: bytes, *, keys: Sequence[str]) -> None:
    """Verify the signature with one of these public keys (base64, as SendGrid shows them). Raises NotReadable."""
    try:
        given = base64.b64decode(headers.get(SIGNATURE, ""), validate=True)
    except (ValueError, binascii.Error) as error:
        raise ReportUnreadable("The signature is not valid base64.") from error
    signed = headers.get(STAMP, "").encode("latin-1", "replace") + body
    if not given or not any(_fits(key, given, signed) for key in keys):
        raise ReportUnreadable("The signature does not match.")


def _fits(key: str, given: bytes, signed: bytes) -> bool:
    try:
        public = load_der_public_key(base64.b64decode(key))
        if not isinstance(public, EllipticCurvePublicKey):
            return False
        public.verify(given, signed, ECDSA(SHA256()))
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, binascii.Error):
        return False
    return True


def reports(body: bytes) -> list[EmailReport]:
    """Return the email events in a batch; unknown events and fields are ignored. Raises NotReadable."""
    data = json_value(body)
    if not isinstance(data, list):
        raise ReportUnreadable("the body is not a list")
    found = []
    for item in items_of(data):
        kind = _kind(item)
        event_id = text(item.get("sg_event_id"))
        if kind and event_id:
            at = moment(text(item.get("timestamp")))
            message_id = text(item.get("smtp-id"))
            found.append(EmailReport(kind, f"sendgrid:{event_id}"[:255], text(item.get("email")), at, message_id))
    return found


def _kind(event: Mapping[str, Any]) -> str:
    name = text(event.get("event"))
    if name == "bounce":
        return SOFT_BOUNCE if text(event.get("type")) == "blocked" else HARD_BOUNCE
    if name == "dropped":
        return ""  # SendGrid did not send it, for a reason that was reported before.
    return EVENT_KINDS.get(name, "")
