"""Record email events from providers: suppress addresses, update email states."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from widget.actions.emails.send_email import transition
from widget.domain.email.email_event import COMPLAINED as SUPPRESSED_AFTER_COMPLAINT
from widget.domain.email.email_event import (
    COMPLAINT,
    DELIVERED,
    HARD_BOUNCE,
    LOOKED_AT,
    NOT_SPAM,
    UNSUBSCRIBED,
    EmailReport,
    suppressed_for,
)
from widget.domain.email.send_policy import UNSUBSCRIBED as SAID_NO
from widget.domain.email.sequence import BOUNCED, COMPLAINED, TRANSITIONS
from widget.domain.email.sequence import DELIVERED as EMAIL_DELIVERED
from widget.email.message import BadAddress, checked_address
from widget.services import Services
from widget.storage.contacts import Contact, lift, suppress
from widget.storage.email_events import add_email_event, last_email_events
from widget.storage.emails import Email
from widget.storage.shops import Shop

_EMAIL_STATE = {HARD_BOUNCE: BOUNCED, COMPLAINT: COMPLAINED, DELIVERED: EMAIL_DELIVERED}


def record_email_events(services: Services, session: Session, shop: Shop, reports: Iterable[EmailReport]) -> None:
    """Record these reports in the caller's transaction. A replay has no effect."""
    for report in reports:
        _record(services, session, shop, report)


def _record(services: Services, session: Session, shop: Shop, report: EmailReport) -> None:
    email = _email(session, shop, report)
    address_hash = _address_hash(services, session, shop, report, email)
    if not address_hash:
        return
    now = services.now()
    at = min(report.at or now, now)
    row = {"shop_id": shop.id, "address_hash": address_hash, "kind": report.kind, "event_id": report.event_id, "at": at}
    if not add_email_event(session, row):
        return
    reason = suppressed_for(report.kind, last_email_events(session, shop.id, address_hash, LOOKED_AT))
    reason = SAID_NO if report.kind == UNSUBSCRIBED else reason
    if report.kind == NOT_SPAM:
        lift(session, shop_id=shop.id, address_hash=address_hash, reason=SUPPRESSED_AFTER_COMPLAINT)
    if reason:
        suppress(session, shop_id=shop.id, address_hash=address_hash, reason=reason, at=now)
    state = _EMAIL_STATE.get(report.kind)
    if email is not None and state and state in TRANSITIONS[email.state]:
        transition(services, email, state, "reported by the provider")


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
