"""Collect bounce and complaint messages from an IMAP mailbox or from files."""

from __future__ import annotations

import hashlib

from sqlalchemy import select
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from widget.actions.webhooks.receive_webhook import MAIL
from widget.crypto import BOUNCE_MESSAGE
from widget.domain.email.email_event import EmailReport
from widget.email.events.mailbox import open_mailbox
from widget.email.events.messages import EVENTS, NO_REPORT, NOT_FINAL, MessageReading, read_message
from widget.email.events.providers import MESSAGE
from widget.email.events.reading import ReportUnreadable
from widget.services import Services
from widget.storage.emails import Email
from widget.storage.unmatched_reports import add_unmatched_report, count_unmatched_reports
from widget.storage.webhook_deliveries import add_webhook_delivery
from widget.telemetry import BOUNCE_MESSAGES, log

MAX_AT_ONCE = 200
MAX_KEPT, MAX_KEPT_BYTES = 2000, 16 * 1024
"""Messages that led to no event: how many are kept for reading, and how much of each."""
RECORDED, UNKNOWN_EMAIL, UNREADABLE, NOT_STORED = "recorded", "unknown_email", "unreadable", "not_stored"
OUTCOMES = {
    RECORDED: "recorded",
    NO_REPORT: "not a report: an automatic reply, or an answer of a person",
    NOT_FINAL: "the receiving server is still trying",
    UNKNOWN_EMAIL: "a report about an email that was not sent from here",
    UNREADABLE: "cannot be read",
    NOT_STORED: "the database rejects it",
}
"""What became of a message."""


def collect_bounces(services: Services) -> int:
    """Read the mailbox of RECOVERY_IMAP_URL, if configured; return how many messages were stored.

    A message is marked as read after it is stored. If the process crashes in between, the message is read again, which
    has no effect.
    """
    if not services.settings.imap_url:
        return 0
    taken = 0
    try:
        with open_mailbox(services.settings.imap_url) as mailbox:
            for number, raw in mailbox.unread(MAX_AT_ONCE):
                taken += take_message(services, raw)
                mailbox.mark_read(number)
    except OSError as error:  # Includes NoMailbox; the next run tries again.
        log("reports").warning("mailbox_not_read", error=type(error).__name__)
    return taken


def take_message(services: Services, raw: bytes) -> int:
    """Store one message for each shop it concerns; return how many deliveries were added.

    A message that does not report on one of our emails is counted, and kept for a person to read.
    """
    try:
        reading = read_message(raw)
    except ReportUnreadable:
        return _pass_over(services, raw, UNREADABLE)
    if reading.outcome != EVENTS:
        return _pass_over(services, raw, reading.outcome)
    try:
        return _store(services, raw, reading)
    except DataError:  # One bad message must not stop the others.
        return _pass_over(services, raw, NOT_STORED)


def _store(services: Services, raw: bytes, reading: MessageReading) -> int:
    event_id = f"message:{hashlib.sha256(raw).hexdigest()}"
    with services.sessions.begin() as session:
        shops = {shop for item in reading.reports for shop in _shops(session, item)}
        added = sum(
            add_webhook_delivery(
                session, shop_id=shop, source=MAIL + MESSAGE, event_id=event_id, body=raw, at=services.now()
            )
            for shop in sorted(shops)
        )
    if not shops:
        return _pass_over(services, raw, UNKNOWN_EMAIL)
    BOUNCE_MESSAGES.labels(RECORDED).inc(bool(added))
    return added


def _pass_over(services: Services, raw: bytes, reason: str) -> int:
    """Count a message that leads to no event, and keep its beginning, encrypted. Return 0."""
    BOUNCE_MESSAGES.labels(reason).inc()
    log("reports").info("report_passed_over", reason=reason)
    row = {
        "digest": hashlib.sha256(raw).hexdigest(),
        "reason": reason,
        "size": len(raw),
        "encrypted_message": services.crypto.encrypt_bytes(raw[:MAX_KEPT_BYTES], BOUNCE_MESSAGE),
        "received_at": services.now(),
    }
    with services.sessions.begin() as session:
        if sum(count_unmatched_reports(session).values()) < MAX_KEPT:
            add_unmatched_report(session, row)
    return 0


def _shops(session: Session, report: EmailReport) -> set[int]:
    """Return the shop that sent the reported email.

    Mail can be forged, so the report must name the email's Message-ID, which only someone who had the email can know.
    """
    if not report.message_id:
        return set()
    wanted = {report.message_id, f"<{report.message_id.strip('<>')}>"}
    return set(session.scalars(select(Email.shop_id).where(Email.message_id.in_(wanted)).limit(1)))
