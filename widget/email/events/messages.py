"""Email events received as messages: delivery status notifications (RFC 3464) and abuse reports (ARF, RFC 5965).

``failed`` is a bounce; what it is about decides whether it is a hard one (``widget/domain/email/bounce.py``).
``delayed`` is ignored, since it is not final.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from email import policy
from email.message import Message
from email.parser import BytesParser
from email.utils import parsedate_to_datetime

from widget.domain.email.bounce import EVENT_OF, bounce_category
from widget.domain.email.email_event import COMPLAINT, DELIVERED, NOT_SPAM, UNSUBSCRIBED, EmailReport
from widget.email.events.reading import ReportUnreadable, moment

MAX_BYTES = 5 * 1024 * 1024
MAX_RECIPIENTS = 1000
FEEDBACK = {
    **dict.fromkeys(("abuse", "fraud", "virus", "other"), COMPLAINT),
    **dict.fromkeys(("opt-out", "opt-out-list"), UNSUBSCRIBED),
    "not-spam": NOT_SPAM,
}
"""Email events by Feedback-Type."""
RETURNED = ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global")


def reports(raw: bytes) -> list[EmailReport]:
    """Return the email events in a message; none if it is not a report. Raises ReportUnreadable.

    The parts decide, not the type of the whole message: servers send reports as ``multipart/mixed``, too, or without
    a ``report-type``.
    """
    if len(raw) > MAX_BYTES:
        raise ReportUnreadable(f"the message is larger than {MAX_BYTES // 1024 // 1024} MB")
    try:
        message = BytesParser(policy=policy.compat32).parsebytes(raw)
        found = dict.fromkeys((*_status(message), *_feedback(message)))  # One event for each recipient and kind.
    except (ValueError, KeyError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise ReportUnreadable("the message cannot be read") from error
    number, at = hashlib.sha256(raw).hexdigest(), _date(message)
    return [
        EmailReport(kind, f"message:{number}:{place}", email, at, _original_id(message))
        for place, (kind, email) in enumerate(found)
    ]


def _parts(message: Message) -> Iterator[Message]:
    """Yield the parts of a report; what a returned message contains is the sender's, and is left out."""
    yield message
    if message.is_multipart() and message.get_content_type() not in RETURNED:
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from _parts(part)


def _status(message: Message) -> Iterator[tuple[str, str]]:
    """Yield (kind, address) of each recipient's block in a delivery status (RFC 3464)."""
    for part in _parts(message):
        if part.get_content_type() != "message/delivery-status":
            continue
        blocks = part.get_payload()
        for block in blocks[:MAX_RECIPIENTS] if isinstance(blocks, list) else ():
            kind = _kind(_action(block), _word(block, "Status"), _word(block, "Diagnostic-Code"))
            email = _word(block, "Original-Recipient") or _word(block, "Final-Recipient")
            if kind and email:
                yield kind, email.rpartition(";")[2].strip().strip("<>")


def _action(block: object) -> str:
    """Return the action in lower case, without the comment that some servers add to it."""
    return _word(block, "Action").partition("(")[0].strip().lower()


def _kind(action: str, status: str, diagnostic: str) -> str:
    if action == "failed":
        return EVENT_OF[bounce_category(status, diagnostic)]
    return DELIVERED if action == "delivered" else ""


def _word(block: object, name: str) -> str:
    found = str(block.get(name, "")) if isinstance(block, Message) else ""
    return found.replace("\x00", "").encode("utf-8", "replace").decode().strip()


def _feedback(message: Message) -> Iterator[tuple[str, str]]:
    """Yield (kind, address) of each feedback report (RFC 5965).

    Reports often omit the recipient; the address is then empty, and the recipient is found by the Message-ID.
    """
    for part in _parts(message):
        if part.get_content_type() != "message/feedback-report":
            continue
        block = part.get_payload(0) if part.is_multipart() else _parsed(part)
        kind = FEEDBACK.get(_word(block, "Feedback-Type").lower(), "")
        if kind:
            email = _word(block, "Original-Rcpt-To") or _word(block, "Removal-Recipient")
            yield kind, email.rpartition(";")[2].strip().strip("<>")


def _parsed(part: Message) -> Message:
    payload = part.get_payload(decode=True)
    return BytesParser(policy=policy.compat32).parsebytes(payload if isinstance(payload, bytes) else b"")


def _original_id(message: Message) -> str:
    """Return the Message-ID of the original email, which a report includes as a whole, as headers, or by reference."""
    for part in _parts(message):
        if part.get_content_type() in RETURNED:
            inner = part.get_payload(0) if part.is_multipart() else _parsed(part)
            if isinstance(inner, Message) and (found := _word(inner, "Message-ID")):
                return found[:998]
    answered = _word(message, "In-Reply-To") or _word(message, "References")
    return answered.split()[-1][:998] if answered else ""


def _date(message: Message) -> datetime | None:
    try:
        return moment(parsedate_to_datetime(str(message["Date"])).isoformat())
    except (ValueError, TypeError):
        return None
