"""Record email events from providers: suppress addresses, update email states."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from widget.actions.emails.note_refusal import suppress_after
from widget.actions.emails.store_outcome import transition
from widget.crypto import normalized
from widget.domain.email.email_event import (
    BLOCKED,
    COMPLAINT,
    DELIVERED,
    HARD_BOUNCE,
    NOT_SPAM,
    UNSUBSCRIBED,
    EmailReport,
)
from widget.domain.email.email_event import COMPLAINED as SUPPRESSED_AFTER_COMPLAINT
from widget.domain.email.send_policy import UNSUBSCRIBED as SAID_NO
from widget.domain.email.sequence import BOUNCED, COMPLAINED, TRANSITIONS
from widget.domain.email.sequence import DELIVERED as EMAIL_DELIVERED
from widget.email.message import BadAddress, checked_address
from widget.services import Services
from widget.storage.contacts import Contact, lift, suppress
from widget.storage.email_events import add_email_event
from widget.storage.emails import Email
from widget.storage.shops import Shop
from widget.telemetry import EMAIL_EVENTS

_EMAIL_STATE = {HARD_BOUNCE: BOUNCED, BLOCKED: BOUNCED, COMPLAINT: COMPLAINED, DELIVERED: EMAIL_DELIVERED}


def record_email_events(services: Services, session: Session, shop: Shop, reports: Sequence[EmailReport]) -> int:
    """Record these reports in the caller's transaction; return how many are ours. A replay has no effect.

    A message about one of our emails concerns its recipient. It may name other addresses, too: those that it was
    forwarded to, or a help desk. If it names the recipient, only that counts.
    """
    about = _about_recipient(session, shop, reports)
    return sum(_record(services, session, shop, report) for report in about)


def _about_recipient(session: Session, shop: Shop, reports: Sequence[EmailReport]) -> Sequence[EmailReport]:
    if len(reports) < 2 or len({report.message_id for report in reports}) > 1:
        return reports
    email = _email(session, shop, reports[0])
    if email is None:
        return reports
    recipient = normalized(session.get_one(Contact, email.contact_id).email)
    return [report for report in reports if normalized(report.email) == recipient] or reports


def _record(services: Services, session: Session, shop: Shop, report: EmailReport) -> bool:
    """Record a report; return whether it concerns an address or an email of ours."""
    email = _email(session, shop, report)
    address_hash = _address_hash(services, session, shop, report, email)
    if not address_hash:
        return False
    now = services.now()
    at = min(report.at or now, now)
    row = {"shop_id": shop.id, "address_hash": address_hash, "kind": report.kind, "event_id": report.event_id, "at": at}
    row |= {"category": report.category, "cause": report.cause, "provider": report.provider}
    if not add_email_event(session, row):
        return True
    EMAIL_EVENTS.labels(report.kind, report.cause).inc()
    _change_suppression(session, shop, report, address_hash, now)
    state = _EMAIL_STATE.get(report.kind)
    if email is not None and state and state in TRANSITIONS[email.state]:
        transition(services, email, state, f"{report.kind}_{report.cause}" if report.cause else report.kind)
    return True


def _change_suppression(session: Session, shop: Shop, report: EmailReport, address_hash: str, now: datetime) -> None:
    if report.kind == NOT_SPAM:
        lift(session, shop_id=shop.id, address_hash=address_hash, reason=SUPPRESSED_AFTER_COMPLAINT)
    if report.kind == UNSUBSCRIBED:
        suppress(session, shop_id=shop.id, address_hash=address_hash, reason=SAID_NO, at=now)
    else:
        suppress_after(session, shop.id, address_hash, report.kind, now)


def _email(session: Session, shop: Shop, report: EmailReport) -> Email | None:
    """Return the email with the report's Message-ID, if it belongs to this shop."""
    if not report.message_id:
        return None
    wanted = {report.message_id, f"<{report.message_id.strip('<>')}>"}
    query = select(Email).where(Email.message_id.in_(wanted), Email.shop_id == shop.id)
    return session.scalar(query.limit(1).with_for_update())


def _address_hash(services: Services, session: Session, shop: Shop, report: EmailReport, email: Email | None) -> str:
    """Return the hash of the email's contact if the email is known, else of the reported address ("" if unusable).

    A report may name an address that the email was forwarded to.
    """
    if email is not None:
        return session.get_one(Contact, email.contact_id).address_hash
    try:
        return services.crypto.address_hash(shop.slug, checked_address(report.email)) if report.email else ""
    except BadAddress:
        return ""
