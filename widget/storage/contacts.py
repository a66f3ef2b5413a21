"""Contacts, their consents, and suppressed addresses."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, ForeignKey, Index, Text, UniqueConstraint, and_, delete, func, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc, only_rows
from widget.storage.inserts import insert_or_ignore, insert_or_update

RESULT_EMAIL, MARKETING, HEALTH_DATA = "result", "marketing", "health_data"
CONSENT_KINDS = (RESULT_EMAIL, MARKETING, HEALTH_DATA)
ERASURE_PENDING, ERASURE_PENDING_AND_NO = "erasure_pending", "erasure_pending_and_unsubscribed"
PENDING, GRANTED, WITHDRAWN = "pending", "granted", "withdrawn"


class Contact(Table):
    """An address in a shop. After erasure, ``email`` is empty and only the keyed hash remains, for suppression."""

    __tablename__ = "contacts"
    # Links identify a contact by its id, so ids are never reused, not even after a purge.
    __table_args__ = (UniqueConstraint("shop_id", "address_hash"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    address_hash: Mapped[str] = mapped_column(Text)
    email: Mapped[str] = mapped_column(Text, default="")
    locale: Mapped[str] = mapped_column(Text, default="")
    timezone: Mapped[str] = mapped_column(Text, default="", server_default="")
    confirmed_at: Mapped[datetime | None] = mapped_column(Utc)
    created_at: Mapped[datetime] = mapped_column(Utc)


class Consent(Table):
    """One entry of the consent ledger: the newest of a kind is in effect. Rows are added, never changed."""

    __tablename__ = "consents"
    __table_args__ = (Index("ix_consents_contact_id", "contact_id"), Index("ix_consents_shop_id_at", "shop_id", "at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"))
    kind: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    text_version: Mapped[str] = mapped_column(Text, default="")
    source: Mapped[str] = mapped_column(Text)
    emails_per_month: Mapped[int | None]
    """Maximum that the text of this consent promised; None if it named no number."""
    at: Mapped[datetime] = mapped_column(Utc)


class Suppression(Table):
    """An address (as a keyed hash) that must not receive emails, and the reason.

    ``expires_at``: when it ends by itself; None: never.
    """

    __tablename__ = "suppressions"
    __table_args__ = (
        UniqueConstraint("shop_id", "address_hash"),
        Index("ix_suppressions_expires_at", "expires_at", **only_rows("expires_at IS NOT NULL")),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    address_hash: Mapped[str] = mapped_column(Text)
    reason: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime] = mapped_column(Utc)
    expires_at: Mapped[datetime | None] = mapped_column(Utc)


def contact_for(session: Session, *, shop_id: int, address_hash: str, email: str, locale: str, at: datetime) -> Contact:
    """Return the contact with this address, created if new. A returning erased contact gets its address back."""
    row = {"shop_id": shop_id, "address_hash": address_hash, "email": email, "locale": locale, "created_at": at}
    insert_or_ignore(session, Contact, row, ("shop_id", "address_hash"))
    contact = session.scalars(
        select(Contact).where(Contact.shop_id == shop_id, Contact.address_hash == address_hash)
    ).one()
    contact.email = contact.email or email
    contact.locale = contact.locale or locale
    return contact


def consent_state(session: Session, contact_id: int, kind: str) -> str | None:
    """Return the latest state of this kind of consent; None if there is none."""
    query = select(Consent.state).where(Consent.contact_id == contact_id, Consent.kind == kind)
    return session.scalar(query.order_by(Consent.id.desc()).limit(1))


def promised_emails(session: Session, contact_id: int) -> int | None:
    """Return the maximum number of marketing emails in 30 days last promised to a contact; None if there is none."""
    mine = (Consent.contact_id == contact_id, Consent.kind == MARKETING, Consent.emails_per_month.is_not(None))
    return session.scalar(select(Consent.emails_per_month).where(*mine).order_by(Consent.id.desc()).limit(1))


def in_effect(at: datetime) -> ColumnElement[bool]:
    """Return the condition for suppressions that have not expired at this time."""
    return or_(Suppression.expires_at.is_(None), Suppression.expires_at > at)


def suppressed(session: Session, shop_id: int, address_hash: str, at: datetime) -> Suppression | None:
    query = select(Suppression).where(Suppression.shop_id == shop_id, Suppression.address_hash == address_hash)
    return session.scalar(query.where(in_effect(at)))


def suppressions_of(
    session: Session, shop_id: int, at: datetime, *, reason: str = "", before: int | None = None, limit: int
) -> list[tuple[Suppression, str]]:
    """Return the newest suppressions in effect, each with the address if a contact still has it (else empty)."""
    same = and_(Contact.shop_id == Suppression.shop_id, Contact.address_hash == Suppression.address_hash)
    query = select(Suppression, func.coalesce(Contact.email, "")).outerjoin(Contact, same)
    query = query.where(Suppression.shop_id == shop_id, in_effect(at))
    query = query.where(Suppression.reason == reason) if reason else query
    query = query.where(Suppression.id < before) if before else query
    return [(row, email) for row, email in session.execute(query.order_by(Suppression.id.desc()).limit(limit))]


def suppression_counts(session: Session, shop_id: int, at: datetime) -> dict[str, int]:
    """Return the number of suppressions in effect by reason."""
    query = select(Suppression.reason, func.count()).where(Suppression.shop_id == shop_id, in_effect(at))
    return {name: int(number) for name, number in session.execute(query.group_by(Suppression.reason))}


def suppress_unless_known(session: Session, *, shop_id: int, address_hash: str, reason: str, at: datetime) -> None:
    """Suppress an address unless it is already suppressed."""
    row = {"shop_id": shop_id, "address_hash": address_hash, "reason": reason, "at": at}
    insert_or_ignore(session, Suppression, row, ("shop_id", "address_hash"))


def lift(session: Session, *, shop_id: int, address_hash: str, reason: str) -> None:
    """Remove a suppression that has this reason. If the contact unsubscribed in the meantime, that remains."""
    mine = (Suppression.shop_id == shop_id, Suppression.address_hash == address_hash)
    session.execute(delete(Suppression).where(*mine, Suppression.reason == reason))
    if reason == ERASURE_PENDING:
        said_no = update(Suppression).where(*mine, Suppression.reason == ERASURE_PENDING_AND_NO)
        session.execute(said_no.values(reason="unsubscribed"))


def suppress(
    session: Session,
    *,
    shop_id: int,
    address_hash: str,
    reason: str,
    at: datetime,
    expires_at: datetime | None = None,
) -> None:
    """Suppress an address. A more serious reason replaces "unsubscribed", one that expires replaces none that stays."""
    row = {
        "shop_id": shop_id,
        "address_hash": address_hash,
        "reason": reason,
        "at": at,
        "expires_at": expires_at,
    }
    keys = ("shop_id", "address_hash")
    if reason == "unsubscribed":
        # An unsubscribe during a pending erasure must remain in effect, even if the erasure is canceled.
        waits = Suppression.reason == ERASURE_PENDING
        held = {"reason": ERASURE_PENDING_AND_NO, "at": at}
        insert_or_update(session, Suppression, row, keys, update=held, where=waits)
    elif expires_at is not None:
        passing = {"reason": reason, "at": at, "expires_at": expires_at}
        insert_or_update(session, Suppression, row, keys, update=passing, where=Suppression.expires_at.is_not(None))
    else:
        # An erased person stays erased: no later reason replaces that one.
        stays = Suppression.reason != "erased"
        insert_or_update(
            session, Suppression, row, keys, update={"reason": reason, "at": at, "expires_at": None}, where=stays
        )
