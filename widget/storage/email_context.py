"""An email with its contact, shop, order, and consents, in one query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, Text, bindparam, func, literal_column, or_, select, update
from sqlalchemy.orm import Session, aliased

from widget.domain.email.sequence import BOUNCED, COMPLAINED, DELIVERED, DELIVERY_UNKNOWN, MARKETING, SENDING, SENT
from widget.storage.contacts import HEALTH_DATA, Consent, Contact, Suppression
from widget.storage.contacts import MARKETING as MARKETING_CONSENT
from widget.storage.emails import Email
from widget.storage.orders import Order
from widget.storage.shops import Shop

GONE = (SENDING, SENT, DELIVERY_UNKNOWN, DELIVERED, BOUNCED, COMPLAINED)


@dataclass(frozen=True, slots=True)
class EmailContext:
    """An email and the data that decides whether it is sent.

    ``suppressed``: the reason, if the address is suppressed. ``marketing``, ``health_data``: the latest consent states.
    ``last_marketing_at``: when the latest marketing email was sent, or may have been sent, to this contact.
    """

    email: Email
    contact: Contact
    shop: Shop
    order: Order | None
    suppressed: str | None
    marketing: str | None
    health_data: str | None
    last_marketing_at: datetime | None
    felt_worse: bool
    stamp: Stamp | None = None


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells on PostgreSQL that nothing in an EmailContext has changed since it was read.

    The versions of the rows (``xmin``), the number of other emails that the contact was sent, and the latest entry of
    the contact's consents.
    """

    contact: str
    shop: str
    order: str
    others_gone: int
    last_consent: int


def _query() -> Select[Any]:
    other = aliased(Email)
    consent = select(Consent.state).where(Consent.contact_id == Email.contact_id).order_by(Consent.id.desc()).limit(1)
    barred = select(Suppression.reason).where(
        Suppression.shop_id == Email.shop_id,
        Suppression.address_hash == Contact.address_hash,
        or_(Suppression.expires_at.is_(None), Suppression.expires_at > bindparam("at")),
    )
    went = select(func.max(func.coalesce(other.sent_at, other.changed_at))).where(
        other.contact_id == Email.contact_id, other.kind == MARKETING, other.state.in_(GONE)
    )
    worse = select(other.id).where(other.order_id == Email.order_id, other.answer == "worse").limit(1)
    return (
        select(
            Email,
            Contact,
            Shop,
            Order,
            barred.scalar_subquery(),
            consent.where(Consent.kind == MARKETING_CONSENT).scalar_subquery(),
            consent.where(Consent.kind == HEALTH_DATA).scalar_subquery(),
            went.scalar_subquery(),
            worse.scalar_subquery(),
        )
        .join(Contact, Contact.id == Email.contact_id)
        .join(Shop, Shop.id == Email.shop_id)
        .outerjoin(Order, Order.id == Email.order_id)
        .execution_options(populate_existing=True)
    )


def _stamped() -> Select[Any]:
    other = aliased(Email)
    gone = select(func.count(other.id)).where(
        other.contact_id == Email.contact_id, other.id != Email.id, other.state.in_(GONE)
    )
    consent = select(func.coalesce(func.max(Consent.id), 0)).where(Consent.contact_id == Email.contact_id)
    versions = [literal_column(f"coalesce({table}.xmin::text, '')", Text) for table in ("contacts", "shops", "orders")]
    return _query().add_columns(*versions, gone.scalar_subquery(), consent.scalar_subquery())


@cache
def _statements() -> tuple[Select[int, int], Select[Any], Select[Any]]:
    """Return (locking statement, query of one, query of many). Building them takes longer than running them."""
    both = select(Email.id, Contact.id).join(Contact, Contact.id == Email.contact_id)
    one = _query().where(Email.id == bindparam("email_id"))
    many = _stamped().where(Email.id.in_(bindparam("email_ids", expanding=True)))
    return both.where(Email.id == bindparam("email_id")).with_for_update(of=[Email, Contact]), one, many


def email_context_of(session: Session, email_id: int, at: datetime, *, lock: bool = False) -> EmailContext | None:
    """Return the state of an email at a time; ``lock`` locks the email and its contact against concurrent changes."""
    locks, asks, _ = _statements()
    if lock:
        # Locked in a separate statement: one that waits for a lock sees the other tables as they were before the wait.
        session.execute(locks, {"email_id": email_id})
    row = session.execute(asks, {"email_id": email_id, "at": at}).one_or_none()
    return None if row is None else _context(row)


def email_contexts_of(session: Session, email_ids: Sequence[int], at: datetime) -> list[EmailContext]:
    """Return the states of emails at a time, with their stamps, in one query without locks. PostgreSQL only."""
    rows = session.execute(_statements()[2], {"email_ids": list(email_ids), "at": at})
    return [_context(row[:-5], Stamp(*row[-5:])) for row in rows]


def _context(row: Sequence[Any], stamp: Stamp | None = None) -> EmailContext:
    email, contact, shop, order, reason, marketing, health, last, felt_worse = row
    if last is not None and last.tzinfo is None:
        last = last.replace(tzinfo=UTC)
    return EmailContext(email, contact, shop, order, reason, marketing, health, last, felt_worse is not None, stamp)


def note_mark(session: Session, contact_id: int) -> None:
    """Write a contact's row, unchanged, when one of its emails is marked as sending: see storage/email_marks.py."""
    session.execute(
        update(Contact).where(Contact.id == contact_id).values(locale=Contact.locale),
        execution_options={"synchronize_session": False},
    )


def nth_marketing_at(session: Session, contact_id: int, nth: int) -> datetime | None:
    """Return when the nth latest marketing email was sent, or may have been sent, to a contact; None for fewer."""
    at = func.coalesce(Email.sent_at, Email.changed_at)
    mine = (Email.contact_id == contact_id, Email.kind == MARKETING, Email.state.in_(GONE))
    found = session.scalar(select(at).where(*mine).order_by(at.desc()).limit(1).offset(nth - 1))
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found
