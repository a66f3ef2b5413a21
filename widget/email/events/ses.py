"""Amazon SES through SNS: verification of the signed envelope, and parsing of bounces and complaints in its message.

Sources: AWS SNS developer guide, "Verifying the signatures of Amazon SNS messages" (string to sign; SignatureVersion 1
is SHA-1, 2 is SHA-256; RSA PKCS#1 v1.5; the certificate comes from sns.<region>.amazonaws.com over https); AWS SES
developer guide, "Notification contents" (bounceType Permanent, Transient, Undetermined).
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate

from widget.domain.email.bounce import Bounce, provider_bounce
from widget.domain.email.bounce_category import CONTENT, MAILBOX
from widget.domain.email.email_event import COMPLAINT, DELIVERED, NOT_SPAM, EmailReport
from widget.email.events.reading import ReportUnreadable, bounce_report, items_of, json_object, moment, same, text

HOST = re.compile(r"sns\.[a-z0-9-]{3,40}\.amazonaws\.com(\.cn)?")
PATH = re.compile(r"/SimpleNotificationService-[0-9a-zA-Z]{8,80}\.pem")
NOTIFICATION, CONFIRMATION = "Notification", "SubscriptionConfirmation"
KEYS = {
    NOTIFICATION: ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    CONFIRMATION: ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
}
CERTIFICATES = 32
SUBTYPES = {
    "MailboxFull": Bounce(MAILBOX),
    "MessageTooLarge": Bounce(CONTENT, "size"),
    "ContentRejected": Bounce(CONTENT, "spam"),
    "AttachmentRejected": Bounce(CONTENT, "attachment"),
}
"""What the subtypes of transient bounces mean; the others leave it to the reply."""


def verified(body: bytes, *, topics: Sequence[str], fetch: Any) -> tuple[str, str]:
    """Verify that Amazon signed an envelope from one of these topics; return (message id, type). Raises NotReadable.

    ``fetch(address)`` returns the certificate; it is called only for addresses of Amazon.
    """
    data = json_object(body)
    kind, topic = text(data.get("Type")), text(data.get("TopicArn"))
    if kind not in KEYS:
        raise ReportUnreadable("This message type is not supported.")
    if not same(topic, topics):
        raise ReportUnreadable("The topic is not the configured one.")
    address = text(data.get("SigningCertURL"))
    parts = urlsplit(address)
    if parts.scheme != "https" or not HOST.fullmatch(parts.netloc) or not PATH.fullmatch(parts.path) or parts.query:
        raise ReportUnreadable("The certificate is not one of Amazon's.")
    _check(data, kind, fetch(address))
    return text(data.get("MessageId")), kind


def _check(data: Mapping[str, Any], kind: str, certificate: bytes) -> None:
    signed = string_to_sign(data, kind)
    algorithm = {"1": SHA1(), "2": SHA256()}.get(text(data.get("SignatureVersion")))  # noqa: S303  # Amazon's version 1.
    if algorithm is None:
        raise ReportUnreadable("The signature version is not supported.")
    try:
        _public_key(certificate).verify(
            base64.b64decode(text(data.get("Signature")), validate=True), signed, PKCS1v15(), algorithm
        )
    except (InvalidSignature, ValueError, binascii.Error) as error:
        raise ReportUnreadable("The signature does not match.") from error


def string_to_sign(data: Mapping[str, Any], kind: str) -> bytes:
    """Return the text that Amazon signs: each existing key and its value, in Amazon's order, one per line."""
    return "".join(f"{key}\n{data[key]}\n" for key in KEYS[kind] if isinstance(data.get(key), str)).encode()


@lru_cache(maxsize=CERTIFICATES)
def _public_key(certificate: bytes) -> RSAPublicKey:
    found = load_pem_x509_certificate(certificate)
    now = datetime.now(UTC)
    if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        raise ValueError("the certificate has expired or is not valid yet")
    key = found.public_key()
    if not isinstance(key, RSAPublicKey):
        raise ValueError("the certificate contains no RSA key")  # The caller handles ValueError.
    return key


def subscribe_address(body: bytes) -> str:
    """Return the URL that confirms a subscription, or an empty string for other messages.

    Raises NotReadable if the URL is not one of Amazon's.
    """
    data = json_object(body)
    if text(data.get("Type")) != CONFIRMATION:
        return ""
    address = text(data.get("SubscribeURL"))
    parts = urlsplit(address)
    if parts.scheme != "https" or not HOST.fullmatch(parts.netloc):
        raise ReportUnreadable("the confirmation URL is not one of Amazon's")
    return address


def reports(body: bytes) -> list[EmailReport]:
    """Return the email events in an envelope's message; unknown kinds and fields are ignored. Raises NotReadable."""
    envelope = json_object(body)
    if text(envelope.get("Type")) != NOTIFICATION:
        return []
    data = json_object(text(envelope.get("Message"), most=1_000_000).encode())
    kind = text(data.get("eventType")) or text(data.get("notificationType"))
    message_id, event_id = _message_id(data), text(envelope.get("MessageId"))
    at = moment(text(envelope.get("Timestamp")))
    return [
        replace(report, event_id=f"ses:{event_id[:200]}:{place}", at=at, message_id=message_id)
        for place, report in enumerate(_recipients(data, kind))
    ]


def _recipients(data: Mapping[str, Any], kind: str) -> list[EmailReport]:
    """Return the event of each recipient, without what is common to all."""
    if kind == "Bounce":
        outcome = _part(data, "bounce")
        return [_bounced(outcome, item) for item in items_of(outcome.get("bouncedRecipients"))]
    if kind == "Complaint":
        outcome = _part(data, "complaint")
        complaint = NOT_SPAM if text(outcome.get("complaintFeedbackType")) == "not-spam" else COMPLAINT
        return [
            EmailReport(complaint, "", text(item.get("emailAddress")))
            for item in items_of(outcome.get("complainedRecipients"))
        ]
    if kind == "Delivery":
        listed = _part(data, "delivery").get("recipients")
        named = listed if isinstance(listed, list) else []
        return [EmailReport(DELIVERED, "", text(item)) for item in named if isinstance(item, str)]
    return []


def _bounced(outcome: Mapping[str, Any], recipient: Mapping[str, Any]) -> EmailReport:
    subtype, reply = text(outcome.get("bounceSubType")), text(recipient.get("diagnosticCode"))
    bounce = SUBTYPES.get(subtype) or provider_bounce(reply, permanent=text(outcome.get("bounceType")) == "Permanent")
    return bounce_report(bounce, text(recipient.get("emailAddress")))


def _part(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _message_id(data: Mapping[str, Any]) -> str:
    """Return our Message-ID from the headers, which SES includes if configured to."""
    for item in items_of(_part(data, "mail").get("headers")):
        if text(item.get("name")).lower() == "message-id":
            return text(item.get("value"))
    return ""
