"""Take in reports of undelivered mail that come as mail: from a mailbox by IMAP, or from files."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from widget.actions.receive_hook import MAIL
from widget.domain.feedback import Report
from widget.mail.message import BadAddress, checked_address
from widget.mail.reports.carriers import MESSAGE
from widget.mail.reports.mailbox import Mailbox
from widget.mail.reports.messages import reports
from widget.mail.reports.reading import NotReadable
from widget.parts import Parts
from widget.storage.contacts import Contact
from widget.storage.hooks import add_hook
from widget.storage.letters import Letter
from widget.storage.shops import Shop
from widget.telemetry import log

MOST_AT_ONCE = 200


def collect_reports(parts: Parts, *, open_mailbox: Callable[[str], Mailbox] = Mailbox) -> int:
    """Read the mailbox of RECOVERY_IMAP_URL, if there is one; how many messages were taken in.

    A message is marked as read once it is stored, so that a crash in between takes it in twice: which has no effect.
    """
    if not parts.settings.imap_url:
        return 0
    taken = 0
    try:
        with open_mailbox(parts.settings.imap_url) as mailbox:
            for number, raw in mailbox.unread(MOST_AT_ONCE):
                taken += take_message(parts, raw)
                mailbox.mark_read(number)
    except OSError as error:  # Also what imaplib raises; the next look tries again.
        log("reports").warning("mailbox_not_read", error=type(error).__name__)
    return taken


def take_message(parts: Parts, raw: bytes) -> int:
    """Store one message for each shop it concerns; how many that were. Mail that is no report concerns nobody."""
    try:
        found = reports(raw)
    except NotReadable:
        return 0
    event_id = f"message:{hashlib.sha256(raw).hexdigest()}"
    with parts.sessions.begin() as session:
        shops = {shop for each in found for shop in _shops(parts, session, each)}
        return sum(
            add_hook(session, shop_id=shop, door=MAIL + MESSAGE, event_id=event_id, body=raw, at=parts.now())
            for shop in sorted(shops)
        )


def _shops(parts: Parts, session: Session, report: Report) -> set[int]:
    """The shop whose letter it was; where that is not told, every shop that knows the address."""
    if report.message_id:
        wanted = {report.message_id, f"<{report.message_id.strip('<>')}>"}
        shop_id = session.scalar(select(Letter.shop_id).where(Letter.message_id.in_(wanted)).limit(1))
        if shop_id is not None:
            return {shop_id}
    try:
        email = checked_address(report.email) if report.email else ""
    except BadAddress:
        email = ""
    if not email:
        return set()
    hashes = {parts.seals.address_hash(slug, email) for slug in session.scalars(select(Shop.slug))}
    return set(session.scalars(select(Contact.shop_id).where(Contact.address_hash.in_(hashes))))
