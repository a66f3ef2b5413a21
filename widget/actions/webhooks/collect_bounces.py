"""Collect bounce and complaint messages from an IMAP mailbox or from files."""

from __future__ import annotations

import hashlib

from sqlalchemy import select
from sqlalchemy.exc import DataError
from sqlalchemy.orm import Session

from widget.actions.webhooks.receive_webhook import MAIL
from widget.domain.email.email_event import EmailReport
from widget.email.events.mailbox import open_mailbox
from widget.email.events.messages import reports
from widget.email.events.providers import MESSAGE
from widget.email.events.reading import ReportUnreadable
from widget.services import Services
from widget.storage.emails import Email
from widget.storage.webhook_deliveries import add_webhook_delivery
from widget.telemetry import log

MAX_AT_ONCE = 200


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
                try:
                    taken += take_message(services, raw)
                except DataError:  # One bad message must not stop the others: it stays in the mailbox, marked as read.
                    log("reports").warning("report_not_taken")
                mailbox.mark_read(number)
    except OSError as error:  # Includes NoMailbox; the next run tries again.
        log("reports").warning("mailbox_not_read", error=type(error).__name__)
    return taken


def take_message(services: Services, raw: bytes) -> int:
    """Store one message for each shop it concerns; return how many deliveries were added.

    A message that does not report on one of our emails is ignored.
    """
    try:
        found = reports(raw)
    except ReportUnreadable:
        return 0
    event_id = f"message:{hashlib.sha256(raw).hexdigest()}"
    with services.sessions.begin() as session:
        shops = {shop for item in found for shop in _shops(session, item)}
        return sum(
            add_webhook_delivery(
                session, shop_id=shop, source=MAIL + MESSAGE, event_id=event_id, body=raw, at=services.now()
            )
            for shop in sorted(shops)
        )


def _shops(session: Session, report: EmailReport) -> set[int]:
    """Return the shop that sent the reported email.

    Mail can be forged, so the report must name the email's Message-ID, which only someone who had the email can know.
    """
    if not report.message_id:
        return set()
    wanted = {report.message_id, f"<{report.message_id.strip('<>')}>"}
    return set(session.scalars(select(Email.shop_id).where(Email.message_id.in_(wanted)).limit(1)))
