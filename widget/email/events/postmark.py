"""Postmark: its webhooks are not signed but authenticated by a configured name and password (HTTP Basic).

Source: Postmark developer documentation, "Webhooks overview", "Bounce webhook" (``Inactive`` means that Postmark itself
stopped sending), "Bounce types", "Spam complaint webhook", "Delivery webhook".
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from widget.domain.email.bounce import Bounce, provider_bounce
from widget.domain.email.bounce_category import CONTENT, POLICY
from widget.domain.email.email_event import (
    BLOCKED,
    COMPLAINT,
    DELIVERED,
    HARD_BOUNCE,
    SOFT_BOUNCE,
    UNSUBSCRIBED,
    EmailReport,
)
from widget.email.events.reading import ReportUnreadable, json_object, moment, same, text

IGNORED = ""
BOUNCES = {
    "1": HARD_BOUNCE,  # HardBounce
    "2": SOFT_BOUNCE,  # Transient
    "16": UNSUBSCRIBED,  # Unsubscribe
    "32": IGNORED,  # Subscribe
    "64": IGNORED,  # AutoResponder
    "128": IGNORED,  # AddressChange
    "256": SOFT_BOUNCE,  # DnsError
    "512": BLOCKED,  # SpamNotification: classified as spam by the receiving server, not by a person
    "1024": IGNORED,  # OpenRelayTest
    "2048": SOFT_BOUNCE,  # Unknown
    "4096": SOFT_BOUNCE,  # SoftBounce
    "8192": BLOCKED,  # VirusNotification
    "16384": IGNORED,  # ChallengeVerification
    "100000": HARD_BOUNCE,  # BadEmailAddress
    "100001": COMPLAINT,  # SpamComplaint
    "100002": IGNORED,  # ManuallyDeactivated: by the shop itself, at Postmark
    "100003": IGNORED,  # Unconfirmed
    "100006": BLOCKED,  # Blocked by the receiving provider
    "100007": IGNORED,  # SMTPApiError
    "100008": IGNORED,  # InboundError
    "100009": BLOCKED,  # DMARCPolicy
    "100010": IGNORED,  # TemplateRenderingFailed
}
"""Email event by TypeCode."""
CAUSES = {
    "512": Bounce(POLICY, "spam"),
    "8192": Bounce(CONTENT, "virus"),
    "100009": Bounce(POLICY, "dmarc"),
}
"""What a refusal names, by TypeCode."""


def check(headers: Mapping[str, str], *, known: Sequence[str]) -> None:
    """Verify name and password. ``known``: ``name:password`` as configured in the webhook URL. Raises NotReadable."""
    kind, _, given = headers.get("authorization", "").partition(" ")
    try:
        plain = base64.b64decode(given.strip(), validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise ReportUnreadable("The user name and password are missing or invalid.") from error
    if kind.lower() != "basic" or not same(plain, known):
        raise ReportUnreadable("Incorrect user name or password.")


def reports(body: bytes) -> list[EmailReport]:
    """Return the email event in a body, or none if its kind is not supported. Raises NotReadable."""
    data = json_object(body)
    kind = _kind(data)
    if not kind:
        return []
    email = text(data.get("Email")) or text(data.get("Recipient"))
    outcome = text(data.get("BouncedAt")) or text(data.get("DeliveredAt")) or text(data.get("ChangedAt"))
    number = text(data.get("ID")) or text(data.get("MessageID"))
    if not number or not email:
        raise ReportUnreadable("the report does not identify a message or a recipient")
    event_id = f"postmark:{text(data.get('RecordType'))}:{number}:{outcome}"[:255]
    found = EmailReport(kind, event_id, email, moment(outcome), _message_id(data))
    if kind in (HARD_BOUNCE, SOFT_BOUNCE, BLOCKED):
        bounce = _bounce(data, kind)
        found = replace(found, kind=bounce.event, category=bounce.category, cause=bounce.cause)
        found = replace(found, provider=email.rpartition("@")[2].lower() if bounce.cause else "")
    return [found]


def _bounce(data: Mapping[str, Any], kind: str) -> Bounce:
    if kind == BLOCKED:
        return CAUSES.get(text(data.get("TypeCode")), Bounce(POLICY, "other"))
    return provider_bounce(text(data.get("Details")), permanent=kind == HARD_BOUNCE)


def _kind(data: Mapping[str, Any]) -> str:
    name, code = text(data.get("RecordType")), text(data.get("TypeCode"))
    if name == "Bounce":
        kind = BOUNCES.get(code, SOFT_BOUNCE)
        return HARD_BOUNCE if kind == SOFT_BOUNCE and data.get("Inactive") is True else kind
    if name == "SubscriptionChange":
        return UNSUBSCRIBED if data.get("SuppressSending") is True else ""
    return {"SpamComplaint": COMPLAINT, "Delivery": DELIVERED}.get(name, "")


def _message_id(data: Mapping[str, Any]) -> str:
    """Return our Message-ID, if it was passed as metadata; Postmark uses its own ids."""
    metadata = data.get("Metadata")
    return text(metadata.get("message_id")) if isinstance(metadata, dict) else ""
