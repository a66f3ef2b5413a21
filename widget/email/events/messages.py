"""Email events received as messages: delivery status notifications (RFC 3464) and abuse reports (ARF, RFC 5965).

``failed`` is a bounce; what it is about decides whether it is a hard one (``widget/domain/email/bounce.py``).
``delayed`` is ignored, since it is not final.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.message import Message
from email.parser import BytesParser
from email.utils import parseaddr, parsedate_to_datetime

from widget.domain.email.bounce import classify_bounce
from widget.domain.email.email_event import COMPLAINT, DELIVERED, NOT_SPAM, UNSUBSCRIBED, EmailReport
from widget.email.events.plain_bounce import (
    looks_like_bounce,
    original_id_in,
    plain_failures,
    readable_text,
    reason_in,
)
from widget.email.events.reading import ReportUnreadable, moment
from widget.email.message import EMAIL_ID

MAX_BYTES = 5 * 1024 * 1024
MAX_RECIPIENTS = 1000
MAX_BODY = 64 * 1024
FEEDBACK = {
    **dict.fromkeys(("abuse", "fraud", "virus", "other"), COMPLAINT),
    **dict.fromkeys(("opt-out", "opt-out-list"), UNSUBSCRIBED),
    "not-spam": NOT_SPAM,
}
"""Email events by Feedback-Type."""
STATUS = ("message/delivery-status", "message/global-delivery-status")
JUNK_REPORT = ("X-HmXmrOriginalRecipient", "X-Originating-Junk-Report")
"""Headers that Microsoft's Junk Mail Reporting Program adds to the email that it returns."""
RETURNED = ("message/rfc822", "text/rfc822-headers", "message/rfc822-headers", "message/global")


EVENTS, NOT_FINAL, NO_REPORT = "events", "not_final", "no_report"


@dataclass(frozen=True, slots=True)
class MessageReading:
    """What a message reports. ``outcome``: EVENTS, NOT_FINAL (the server is still trying), or NO_REPORT."""

    outcome: str
    reports: list[EmailReport]
    message_id: str = ""


def reports(raw: bytes) -> list[EmailReport]:
    """Return the email events in a message; none if it is not a report. Raises ReportUnreadable."""
    return read_message(raw).reports


def read_message(raw: bytes) -> MessageReading:
    """Return what a message reports. Raises ReportUnreadable.

    The parts decide, not the type of the whole message: servers send reports as ``multipart/mixed``, too, or without
    a ``report-type``. A message without a part for programs is read as people read it.
    """
    if len(raw) > MAX_BYTES:
        raise ReportUnreadable(f"the message is larger than {MAX_BYTES // 1024 // 1024} MB")
    try:
        message = BytesParser(policy=policy.compat32).parsebytes(raw)
        text = _text(message, raw.replace(b"\r\n", b"\n"))
        outcome, found = _read(message, text)
        message_id = _original_id(message, text)
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError, MessageError) as error:
        raise ReportUnreadable("the message cannot be read") from error
    number, at = hashlib.sha256(raw).hexdigest(), _date(message)
    listed = [
        EmailReport(
            kind=item.kind,
            event_id=f"message:{number}:{place}",
            email=item.email,
            at=at,
            message_id=message_id,
            category=item.category,
            cause=item.cause,
            provider=item.provider,
        )
        for place, item in enumerate(found)
    ]
    return MessageReading(outcome, listed, message_id)


@dataclass(frozen=True, slots=True)
class _Found:
    kind: str
    email: str
    category: str = ""
    cause: str = ""
    provider: str = ""


def _read(message: Message, text: str) -> tuple[str, list[_Found]]:
    blocks = list(_status_blocks(message))
    found = dict.fromkeys((*_status(blocks, text), *_feedback(message)))  # One event for each recipient and kind.
    if found:
        return EVENTS, list(found)
    if blocks and all(_action(block) in ("delayed", "relayed", "expanded", "") for block in blocks):
        return NOT_FINAL, []
    if not looks_like_bounce(message, text):
        return NO_REPORT, []
    failures, final = plain_failures(message, text)
    if not final:
        return NOT_FINAL, []
    return EVENTS if failures else NO_REPORT, [_failure(failure.email, "", failure.texts) for failure in failures]


def _failure(email: str, status: str, texts: tuple[str, ...], server: str = "") -> _Found:
    bounce = classify_bounce(status, *texts)
    provider = provider_of(server, email) if bounce.cause else ""
    return _Found(bounce.event, email, bounce.category, bounce.cause, provider)


def _parts(message: Message) -> Iterator[Message]:
    """Yield the parts of a report; what a returned message contains is the sender's, and is left out."""
    yield message
    if message.is_multipart() and message.get_content_type() not in RETURNED:
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from _parts(part)


def _status_blocks(message: Message) -> Iterator[Message]:
    """Yield each recipient's block of the delivery statuses (RFC 3464)."""
    for part in _parts(message):
        if part.get_content_type() in STATUS:
            blocks = part.get_payload() if part.is_multipart() else [_parsed(part)]
            for block in blocks[:MAX_RECIPIENTS] if isinstance(blocks, list) else ():
                if isinstance(block, Message) and (_word(block, "Action") or _word(block, "Status")):
                    yield block


def _status(blocks: list[Message], text: str) -> Iterator[_Found]:
    """Yield the event of each recipient's block. The text for people counts if the block gives no reason."""
    reason = reason_in(text)
    for block in blocks:
        email = _plain_address(_word(block, "Original-Recipient")) or _plain_address(_word(block, "Final-Recipient"))
        if email and _action(block) == "delivered":
            yield _Found(DELIVERED, email)
        if email and _failed(block):
            status, diagnostic = _word(block, "Status"), _word(block, "Diagnostic-Code")
            texts = (diagnostic, reason) if diagnostic else (status, reason, text)
            yield _failure(email, status, texts, _word(block, "Remote-MTA"))


def _failed(block: Message) -> bool:
    """Return whether a block reports a final failure; some servers write other words than ``failed``, or none."""
    action = _action(block)
    return action.startswith("fail") or action == "error" or (not action and _word(block, "Status").startswith("5"))


def _plain_address(field: str) -> str:
    """Return the address in a field such as ``rfc822; <sam@example.com>``; empty if there is none."""
    email = field.rpartition(";")[2].strip().strip("<>")
    return email if "@" in email else ""


def provider_of(server: str, email: str) -> str:
    """Return the domain that refused: that of the server (``dns; mx1.mail.example``), or that of the address."""
    host = server.rpartition(";")[2].partition("(")[0].strip().strip("[].").lower()
    labels = host.split(".")
    if len(labels) >= 2 and not labels[-1].isdigit():
        return ".".join(labels[-2:])[:253]
    return email.rpartition("@")[2].lower()[:253]


def _action(block: object) -> str:
    """Return the action in lower case, without the comment that some servers add to it."""
    return _word(block, "Action").partition("(")[0].strip().lower()


def _word(block: object, name: str) -> str:
    found = str(block.get(name, "")) if isinstance(block, Message) else ""
    return found.replace("\x00", "").encode("utf-8", "replace").decode().strip()


def _feedback(message: Message) -> Iterator[_Found]:
    """Yield the event of each feedback report (RFC 5965), and of those that Microsoft's junk reporting sends.

    Reports often omit the recipient; the address is then empty, and the recipient is found by the Message-ID.
    """
    for part in _parts(message):
        if part.get_content_type() == "message/feedback-report":
            block = part.get_payload(0) if part.is_multipart() else _parsed(part)
            kind = FEEDBACK.get(_word(block, "Feedback-Type").lower(), "")
            if kind:
                email = _word(block, "Original-Rcpt-To") or _word(block, "Removal-Recipient")
                yield _Found(kind, _plain_address(email))
    if _word(message, "X-Apple-Unsubscribe").lower() == "true":
        yield _Found(UNSUBSCRIBED, parseaddr(_word(message, "From"))[1])
    returned = _returned(message)
    if returned is not None and any(_word(returned, name) for name in JUNK_REPORT):
        yield _Found(COMPLAINT, _word(returned, "X-HmXmrOriginalRecipient"))


def _parsed(part: Message) -> Message:
    payload = part.get_payload(decode=True)
    return BytesParser(policy=policy.compat32).parsebytes(payload if isinstance(payload, bytes) else b"")


def _text(message: Message, raw: bytes) -> str:
    """Return the text for people: that of the first part that has any, outside the returned message."""
    for wanted in ("text/plain", "text/html"):
        for part in _parts(message):
            if part.get_content_type() == wanted and not part.is_multipart():
                text = readable_text(part)
                if text.strip():
                    return text
    # Broken boundaries leave no such part: then the body as a whole is read.
    return (
        raw.partition(b"\n\n")[2][:MAX_BODY].decode("utf-8", "replace")
        if message.get_content_maintype() == "multipart"
        else ""
    )


def _returned(message: Message) -> Message | None:
    """Return the original email, as a report includes it: as a whole, or its headers; None if it does not."""
    for part in _parts(message):
        if part.get_content_type() in RETURNED:
            inner = part.get_payload(0) if part.is_multipart() else _parsed(part)
            if isinstance(inner, Message):
                return inner
    return None


def _original_id(message: Message, text: str) -> str:
    """Return the Message-ID of the original email, from the returned message, by reference, or from the text."""
    inner = _returned(message)
    mine = inner and (_word(inner, EMAIL_ID) or _word(inner, "Message-ID"))
    answered = (_word(message, "In-Reply-To") or _word(message, "References")).split()
    return (mine or original_id_in(text) or (answered[-1] if answered else ""))[:998]


def _date(message: Message) -> datetime | None:
    try:
        return moment(parsedate_to_datetime(str(message["Date"])).isoformat())
    except (ValueError, TypeError):
        return None
