"""Twilio SendGrid: its event webhook, signed with ECDSA over the exact bytes.

Source: Twilio SendGrid, "Event Webhook security features": P-256, SHA-256, over timestamp + raw body, including a
trailing line break; "Event Webhook reference": a ``bounce`` of type ``blocked`` is not a hard bounce, ``sg_event_id``
repeats, values of ``bounce_classification``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from widget.domain.email.bounce import Bounce, provider_bounce
from widget.domain.email.bounce_category import ADDRESS, CONTENT, MAILBOX, POLICY, TRANSIENT
from widget.domain.email.email_event import COMPLAINT, DELIVERED, UNSUBSCRIBED, EmailReport
from widget.email.events.reading import ReportUnreadable, bounce_report, items_of, json_value, moment, text

SIGNATURE, STAMP = "x-twilio-email-event-webhook-signature", "x-twilio-email-event-webhook-timestamp"
EVENT_KINDS = {
    "delivered": DELIVERED,
    "spamreport": COMPLAINT,
    "unsubscribe": UNSUBSCRIBED,
    "group_unsubscribe": UNSUBSCRIBED,
}


CLASSIFICATIONS = {
    "invalid address": Bounce(ADDRESS),
    "mailbox unavailable": Bounce(MAILBOX),
    "content": Bounce(CONTENT, "other"),
    "reputation": Bounce(POLICY, "spam"),
    "frequency or volume too high": Bounce(POLICY, "rate"),
    "technical failure": Bounce(TRANSIENT),
}
"""SendGrid's own classification of a bounce; "unclassified" leaves it to the reply."""


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
    return [report for item in items_of(data) if (report := _report(item)) is not None]


def _report(event: Mapping[str, Any]) -> EmailReport | None:
    """Return the email event; None for those that change nothing."""
    event_id, email, name = text(event.get("sg_event_id")), text(event.get("email")), text(event.get("event"))
    if not event_id:
        return None
    if name == "bounce":
        found = bounce_report(_bounce(event), email)
    elif name in EVENT_KINDS:
        found = EmailReport(EVENT_KINDS[name], "", email)
    else:
        return None  # Includes "dropped": SendGrid did not send it, for a reason that was reported before.
    at = moment(text(event.get("timestamp")))
    return replace(found, event_id=f"sendgrid:{event_id}"[:255], at=at, message_id=text(event.get("smtp-id")))


def _bounce(event: Mapping[str, Any]) -> Bounce:
    named = CLASSIFICATIONS.get(text(event.get("bounce_classification")).lower())
    reply = f"{text(event.get('status'))} {text(event.get('reason'))}"
    found = provider_bounce(reply, permanent=text(event.get("type")) != "blocked")
    return found if named is None or found.category == named.category else named
