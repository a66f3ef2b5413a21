"""Emails: rows with a due date, claimed by workers when due."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import (
    JSON,
    ColumnElement,
    ForeignKey,
    Index,
    Text,
    UniqueConstraint,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.domain.email.sequence import DELIVERY_UNKNOWN, PLANNED, QUEUED, SENDING
from widget.storage.contacts import Contact
from widget.storage.database import Table, Utc, only_rows
from widget.storage.inserts import insert_or_ignore
from widget.storage.orders import Order
from widget.storage.shops import Shop

UNSETTLED = (DELIVERY_UNKNOWN, QUEUED, SENDING)


def in_state(*states: str) -> ColumnElement[bool]:
    """Return the condition that an email is in one of these states.

    The states stand in the statement itself: a database does not see that a partial index applies to a parameter.
    """
    if len(states) == 1:
        return Email.state == literal(states[0], literal_execute=True)
    return Email.state.in_([literal(state, literal_execute=True) for state in sorted(states)])


class Email(Table):
    """One email of one sequence to one contact.

    ``history``, oldest first: [{at, state, reason}]. ``result_code`` is the encrypted result that it refers to;
    ``answer`` is the answer to a check-in (better, same, worse). ``variant``: which of two subjects it has (a, b),
    empty if there is only one.
    """

    __tablename__ = "emails"
    __table_args__ = (
        UniqueConstraint("shop_id", "trigger_kind", "trigger_id", "sequence", "step"),
        Index("ix_emails_planned", "shop_id", "due_at", **only_rows("state = 'planned'")),
        Index("ix_emails_unsettled", "state", "changed_at", **only_rows(f"state IN {UNSETTLED}")),
        Index("ix_emails_with_answers", "changed_at", **only_rows("result_code <> ''")),
        # Old rows lie together, so ranges of pages suffice to find them, and cost nothing when an email changes.
        Index("ix_emails_changed_at", "changed_at", postgresql_using="brin"),
        Index("ix_emails_contact_id", "contact_id"),
        Index("ix_emails_order_id", "order_id"),
        Index("ix_emails_shop_id_sent_at", "shop_id", "sent_at", **only_rows("sent_at IS NOT NULL")),
        Index("ix_emails_shop_id_quiz_sent_at", "shop_id", "quiz", "sent_at", **only_rows("sent_at IS NOT NULL")),
        Index("ix_emails_message_id", "message_id"),
        {"sqlite_autoincrement": True},  # Links identify an email by its id, so ids are never reused.
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"))
    order_id: Mapped[int | None] = mapped_column(ForeignKey("orders.id"))
    trigger_kind: Mapped[str] = mapped_column(Text)
    trigger_id: Mapped[str] = mapped_column(Text)
    quiz: Mapped[str] = mapped_column(Text)
    version: Mapped[int]
    sequence: Mapped[str] = mapped_column(Text)
    step: Mapped[str] = mapped_column(Text)
    template: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    result_code: Mapped[str] = mapped_column(Text, default="")
    locale: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[str] = mapped_column(Text, default=PLANNED)
    reason: Mapped[str] = mapped_column(Text, default="")
    due_at: Mapped[datetime] = mapped_column(Utc)
    valid_until: Mapped[datetime] = mapped_column(Utc)
    changed_at: Mapped[datetime] = mapped_column(Utc)
    sent_at: Mapped[datetime | None] = mapped_column(Utc)
    attempts: Mapped[int] = mapped_column(default=0)
    message_id: Mapped[str] = mapped_column(Text, default="")
    variant: Mapped[str] = mapped_column(Text, default="", server_default="")
    answer: Mapped[str] = mapped_column(Text, default="")
    history: Mapped[list[dict[str, Any]]] = mapped_column(JSON, default=list)


def add_email(session: Session, row: dict[str, Any]) -> bool:
    """Plan an email; return False if this step of this sequence is already planned for this trigger."""
    return insert_or_ignore(session, Email, row, ("shop_id", "trigger_kind", "trigger_id", "sequence", "step"))


def claim_due(session: Session, now: datetime, limit: int) -> list[int]:
    """Claim due emails, each at most once across all workers: planned becomes queued. Return their ids.

    Each shop with due emails gets the same share, so that one shop's hundred thousand do not hold up another's one.
    PostgreSQL skips rows that another worker is claiming; SQLite has one writer, which holds the lock from the start.
    """
    shops = _shops_with_due(session, now)
    random.shuffle(shops)
    claimed: list[int] = []
    while shops and len(claimed) < limit:
        share, having_more = max(1, (limit - len(claimed)) // len(shops)), []
        for shop_id in shops:
            mine = _claim_of(session, shop_id, now, min(share, limit - len(claimed)))
            claimed += mine
            if len(mine) == share:
                having_more.append(shop_id)
            if len(claimed) == limit:
                break
        shops = having_more
    return claimed


def _shops_with_due(session: Session, now: datetime) -> list[int]:
    """Return the ids of shops with due emails: one index lookup per shop, however many emails are waiting."""
    due = select(Email.id).where(Email.shop_id == Shop.id, in_state(PLANNED), Email.due_at <= now)
    return list(session.scalars(select(Shop.id).where(due.exists())))


def _claim_of(session: Session, shop_id: int, now: datetime, limit: int) -> list[int]:
    """Claim due emails of one shop.

    The rows are locked first and then updated: in a single statement, PostgreSQL may run the inner query twice and
    exceed its limit.
    """
    due = select(Email.id).where(Email.shop_id == shop_id, in_state(PLANNED), Email.due_at <= now)
    due = due.order_by(Email.due_at).limit(limit)
    claimed = list(session.scalars(due.with_for_update(skip_locked=True)))
    if claimed:
        taken = update(Email).where(Email.id.in_(claimed), Email.state == PLANNED)
        session.execute(taken.values(state=QUEUED, changed_at=now), execution_options={"synchronize_session": False})
    return claimed


def emails_gone(session: Session, shop_id: int, since: datetime) -> int:
    """Count a shop's emails sent since that moment, including those being sent or whose delivery is unknown."""
    mine = select(func.count()).select_from(Email).where(Email.shop_id == shop_id)
    went = session.scalar(mine.where(Email.sent_at >= since)) or 0
    open_ones = (Email.sent_at.is_(None), in_state(SENDING, DELIVERY_UNKNOWN), Email.changed_at >= since)
    return went + (session.scalar(mine.where(*open_ones)) or 0)


def stuck_emails(session: Session, state: str, before: datetime) -> list[int]:
    """Return the ids of emails in this state since before that moment, whose worker is assumed dead."""
    query = select(Email.id).where(in_state(state), Email.changed_at < before)
    return list(session.scalars(query.order_by(Email.id)))


def emails_of_order(session: Session, order_id: int) -> list[Email]:
    return list(session.scalars(select(Email).where(Email.order_id == order_id).order_by(Email.due_at)))


def emails_of_orders(session: Session, order_ids: Iterable[int]) -> dict[int, list[Email]]:
    """Return the emails of each of these orders, earliest due date first."""
    found: dict[int, list[Email]] = {number: [] for number in order_ids}
    for row in session.scalars(select(Email).where(Email.order_id.in_(found)).order_by(Email.due_at)):
        found[row.order_id or 0].append(row)
    return found


def emails_of_unknown_delivery(session: Session, shop_id: int, limit: int = 50) -> list[Email]:
    """Return the emails whose delivery is unknown, newest first; a person decides about them."""
    query = select(Email).where(Email.shop_id == shop_id, in_state(DELIVERY_UNKNOWN))
    return list(session.scalars(query.order_by(Email.id.desc()).limit(limit)))


def email_by_id(session: Session, shop_id: int, email_id: int) -> Email | None:
    """Return an email of this shop."""
    return session.scalar(select(Email).where(Email.id == email_id, Email.shop_id == shop_id))


def trigger_of(session: Session, email: Email) -> tuple[Contact, Order | None]:
    """Return the recipient of an email, and the order that it follows, if any."""
    order = session.get(Order, email.order_id) if email.order_id else None
    return session.get_one(Contact, email.contact_id), order
