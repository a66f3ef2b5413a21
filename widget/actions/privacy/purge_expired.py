"""Purge rows past their retention, table by table. The README lists the same periods; a test compares the two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from widget.domain.email.sequence import DELIVERY_UNKNOWN, PLANNED, QUEUED, SENDING
from widget.services import Services
from widget.storage.contacts import Consent, Contact, Suppression
from widget.storage.database import Table, allow_long, scrub
from widget.storage.drafts import DraftChange, ScheduledPublish
from widget.storage.email_events import EmailEvent
from widget.storage.emails import Email
from widget.storage.orders import Order
from widget.storage.outbox import OPEN, OutboxMessage
from widget.storage.privacy import REQUEST_WAITING, PrivacyRequest
from widget.storage.responses import Response
from widget.storage.unmatched_reports import UnmatchedReport
from widget.storage.users import Invitation, Membership, User, UserSession
from widget.storage.webhook_deliveries import DELIVERY_WAITING, WebhookDelivery

BATCH = 2_000
ALL_AT_ONCE = 50_000
"""Up to this many contacts, all are looked at in each hour."""
"""Rows deleted in one transaction; limited so that locks are held only briefly."""
MONTH, QUARTER, HALF_YEAR = timedelta(days=30), timedelta(days=90), timedelta(days=180)
YEAR, TWO_YEARS, THREE_YEARS = timedelta(days=365), timedelta(days=730), timedelta(days=1095)
OPEN_EMAILS = (PLANNED, QUEUED, SENDING, DELIVERY_UNKNOWN)
SHOP_LIFE = "as long as the shop"
RETENTION: dict[str, str] = {
    "responses": "30 days",
    "webhook_deliveries": "30 days after receipt; bodies only until processed",
    "email_events": "90 days",
    "unmatched_reports": "30 days",
    "outbox": "30 days after it was sent or failed; the message only until then",
    "privacy_requests": "3 years (the receipt); copies of data 30 days",
    "contacts": "30 days if unconfirmed and without an order; else 2 years after the last order, email, and consent",
    "consents": "as long as the contact",
    "suppressions": "permanently, as a keyed hash, so that the address gets no email; 30 days after soft bounces",
    "orders": "2 years",
    "emails": "2 years; their result 30 days",
    "users": "90 days after they left their last shop",
    "memberships": "until the user is removed",
    "sessions": "90 days after the last use",
    "invitations": "30 days",
    "audit_log": SHOP_LIFE,
    "drafts": SHOP_LIFE,
    "draft_changes": "180 days",
    "draft_reports": "the latest of each draft",
    "scheduled_publishes": "1 year after they ended",
    "shops": SHOP_LIFE,
    "content_versions": SHOP_LIFE,
    "publications": SHOP_LIFE,
    "products": SHOP_LIFE,
    "feeds": SHOP_LIFE,
    "connections": "until disconnected",
    "daily_events": f"{SHOP_LIFE} (sums)",
    "daily_metrics": f"{SHOP_LIFE} (sums)",
    "rate_limits": "one row",
}
"""Retention period by table."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """A retention rule: ``past`` returns the condition for rows of ``table`` that have expired at a given time."""

    table: type[Table]
    past: Callable[[datetime], ColumnElement[bool]]


def purge_expired(services: Services) -> int:
    """Delete or empty everything past its retention; return the number of rows deleted."""
    now = services.now()
    _empty(services, now)
    deleted = sum(_delete(services, rule, now) for rule in _RULES)
    deleted += _purge_contacts(services, now)
    _purge_users(services, now)
    scrub(services.database)
    return deleted


def _empty(services: Services, now: datetime) -> None:
    """Empty columns whose retention is shorter than that of their row."""
    with services.sessions.begin() as session:
        allow_long(session)
        copies = update(PrivacyRequest).where(PrivacyRequest.copy_until.is_not(None), PrivacyRequest.copy_until < now)
        session.execute(copies.values(encrypted_copy="", copy_until=None))
        settled = (Email.result_code != "", Email.state.not_in(OPEN_EMAILS), Email.changed_at < now - MONTH)
        session.execute(update(Email).where(*settled).values(result_code=""))


def _delete(services: Services, rule: _Rule, now: datetime) -> int:
    """Delete the rows that match a rule, in batches with a transaction each; return how many."""
    key: Any = rule.table.__mapper__.primary_key[0]
    total = 0
    while True:
        with services.sessions.begin() as session:
            allow_long(session)
            some = list(session.scalars(select(key).where(rule.past(now)).limit(BATCH)))
            if some:
                session.execute(delete(rule.table).where(key.in_(some)))
        total += len(some)
        if len(some) < BATCH:
            return total


def _without_email(now: datetime) -> ColumnElement[bool]:
    """Return the condition for orders past their retention that have no emails left."""
    waiting = exists().where(Email.order_id == Order.id, Email.state.in_(OPEN_EMAILS))
    return and_(Order.updated_at < now - TWO_YEARS, ~waiting, ~exists().where(Email.order_id == Order.id))


_RULES = (
    _Rule(Response, lambda now: Response.created_at < now - MONTH),
    _Rule(
        WebhookDelivery,
        lambda now: and_(WebhookDelivery.state != DELIVERY_WAITING, WebhookDelivery.received_at < now - MONTH),
    ),
    _Rule(UnmatchedReport, lambda now: UnmatchedReport.received_at < now - MONTH),
    _Rule(Suppression, lambda now: Suppression.expires_at < now),
    _Rule(EmailEvent, lambda now: EmailEvent.at < now - QUARTER),
    _Rule(OutboxMessage, lambda now: and_(OutboxMessage.state.not_in(OPEN), OutboxMessage.changed_at < now - MONTH)),
    _Rule(
        PrivacyRequest,
        lambda now: and_(PrivacyRequest.state != REQUEST_WAITING, PrivacyRequest.received_at < now - THREE_YEARS),
    ),
    _Rule(Email, lambda now: and_(Email.state.not_in(OPEN_EMAILS), Email.changed_at < now - TWO_YEARS)),
    _Rule(Order, _without_email),
    _Rule(UserSession, lambda now: UserSession.seen_at < now - QUARTER),
    _Rule(Invitation, lambda now: Invitation.expires_at < now - MONTH),
    _Rule(DraftChange, lambda now: DraftChange.at < now - HALF_YEAR),
    _Rule(ScheduledPublish, lambda now: and_(ScheduledPublish.state != "waiting", ScheduledPublish.at < now - YEAR)),
)


def _purge_contacts(services: Services, now: datetime) -> int:
    """Delete contacts without an order, a relevant email, or a recent consent; return how many.

    Only the keyed hash of a suppressed address remains.
    """
    total = 0
    while True:
        with services.sessions.begin() as session:
            allow_long(session)
            some = _idle_contacts(session, now, _slice_of(session, now))
            if some:
                session.execute(delete(Email).where(Email.contact_id.in_(some)))
                session.execute(delete(Consent).where(Consent.contact_id.in_(some)))
                session.execute(delete(Contact).where(Contact.id.in_(some)))
        total += len(some)
        if len(some) < BATCH:
            return total


def _slice_of(session: Session, now: datetime) -> tuple[int, int]:
    """Return the lowest and highest id of the contacts that are looked at in this hour.

    Idle contacts have no mark that an index could find. One in 24 is looked at in each hour, so that no hour reads all
    of millions, and everybody has their turn within a day.
    """
    low, high = session.execute(select(func.min(Contact.id), func.max(Contact.id))).one()
    if low is None or high - low < ALL_AT_ONCE:
        return 0, high or 0
    width = (high - low) // 24 + 1
    first = low + width * now.hour
    return first, first + width - 1


def _idle_contacts(session: Session, now: datetime, ids: tuple[int, int]) -> list[int]:
    open_email = exists().where(Email.contact_id == Contact.id, Email.state.in_(OPEN_EMAILS))
    any_email = exists().where(Email.contact_id == Contact.id)
    recent = exists().where(Email.contact_id == Contact.id, Email.changed_at >= now - MONTH)
    order = exists().where(Order.contact_id == Contact.id)
    said = exists().where(Consent.contact_id == Contact.id, Consent.at >= now - TWO_YEARS)
    said_lately = exists().where(Consent.contact_id == Contact.id, Consent.at >= now - MONTH)
    never = and_(Contact.confirmed_at.is_(None), Contact.created_at < now - MONTH, ~recent, ~said_lately)
    long_ago = and_(Contact.created_at < now - TWO_YEARS, ~any_email, ~said)
    wanted = and_(~order, ~open_email, or_(never, long_ago))
    idle = select(Contact.id).where(Contact.id.between(*ids), wanted).order_by(Contact.id).limit(BATCH)
    return list(session.scalars(idle.with_for_update(skip_locked=True)))


def _purge_users(services: Services, now: datetime) -> None:
    """Empty the rows of users who no longer belong to a shop. The row stays, since the audit log refers to it."""
    with services.sessions.begin() as session:
        allow_long(session)
        belongs = exists().where(Membership.user_id == User.id)
        seen = exists().where(UserSession.user_id == User.id)
        gone = and_(~belongs, ~seen, User.created_at < now - QUARTER, ~User.email.like("deleted-%@invalid"))
        for user in session.scalars(select(User).where(gone).limit(BATCH)):
            session.execute(delete(Invitation).where(Invitation.user_id == user.id))
            user.email, user.name, user.password_hash = f"deleted-{user.id}@invalid", "", ""
            user.encrypted_totp, user.oidc_subject, user.disabled_at = "", None, now
