"""Email events received as messages: delivery status notifications (RFC 3464) and abuse reports (ARF, RFC 5965).

Only ``failed`` with a status of 5.x.x is a hard bounce; ``delayed`` is ignored, since it is not final.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from email import policy
from email.message import Message
from email.parser import BytesParser
from email.utils import parsedate_to_datetime

from widget.domain.email.email_event import COMPLAINT, DELIVERED, HARD_BOUNCE, SOFT_BOUNCE, EmailReport
from widget.email.events.reading import ReportUnreadable, moment

MAX_BYTES = 5 * 1024 * 1024
COMPLAINTS = frozenset({"abuse", "fraud", "virus", "other"})


def reports(raw: bytes) -> list[EmailReport]:
    """Return the email events in a message; none if it is not a report. Raises NotReadable if it cannot be parsed."""
    if len(raw) > MAX_BYTES:
        raise ReportUnreadable(f"the message is larger than {MAX_BYTES // 1024 // 1024} MB")
    try:
        message = BytesParser(policy=policy.compat32).parsebytes(raw)
        kind = str(message.get_param("report-type", "")).lower()
        if message.get_content_type() != "multipart/report" or not message.is_multipart():
            return []
        items_ = list(_status(message)) if kind == "delivery-status" else []
        items_ += _abuse(message) if kind == "feedback-report" else []
    except (ValueError, KeyError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise ReportUnreadable("the message cannot be read") from error
    number, at = hashlib.sha256(raw).hexdigest(), _date(message)
    return [
        EmailReport(kind, f"message:{number}:{place}", email, at, _original_id(message))
        for place, (kind, email) in enumerate(items_)
    ]


def _status(message: Message) -> Iterator[tuple[str, str]]:
    """Yield (kind, address) of each recipient's block."""
    for part in message.walk():
        if part.get_content_type() != "message/delivery-status":
            continue
        blocks = part.get_payload()
        for block in blocks if isinstance(blocks, list) else ():
            kind = _kind(_word(block, "Action").lower(), _word(block, "Status"))
            email = _word(block, "Original-Recipient") or _word(block, "Final-Recipient")
            if kind and email:
                yield kind, email.rpartition(";")[2].strip().strip("<>")


def _kind(action: str, status: str) -> str:
    if action == "failed":
        return HARD_BOUNCE if status.startswith("5.") else SOFT_BOUNCE
    return DELIVERED if action == "delivered" else ""


def _word(block: object, name: str) -> str:
    found = str(block.get(name, "")) if isinstance(block, Message) else ""
    return found.replace("\x00", "").encode("utf-8", "replace").decode().strip()


def _abuse(message: Message) -> Iterator[tuple[str, str]]:
    """Yield (kind, address) of each complaint.

    Complaints often omit the recipient; the address is then empty, and the recipient is found by the Message-ID.
    """
    for part in message.walk():
        if part.get_content_type() != "message/feedback-report":
            continue
        block = part.get_payload(0) if part.is_multipart() else _parsed(part)
        if not isinstance(block, Message) or _word(block, "Feedback-Type").lower() not in COMPLAINTS:
            continue
        email = _word(block, "Original-Rcpt-To").strip("<>")
        yield COMPLAINT, email.rpartition(";")[2].strip()


def _parsed(part: Message) -> Message:
    payload = part.get_payload(decode=True)
    return BytesParser(policy=policy.compat32).parsebytes(payload if isinstance(payload, bytes) else b"")


def _original_id(message: Message) -> str:
    """Return the Message-ID of the original email, which a report includes as a whole or as headers only."""
    for part in message.walk():
        if part.get_content_type() in ("text/rfc822-headers", "message/rfc822"):
            inner = part.get_payload(0) if part.is_multipart() else _parsed(part)
            if isinstance(inner, Message) and (found := _word(inner, "Message-ID")):
                return found[:998]
    return ""


def _date(message: Message) -> datetime | None:
    try:
        return moment(parsedate_to_datetime(str(message["Date"])).isoformat())
    except (ValueError, TypeError):
        return None
