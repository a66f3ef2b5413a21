"""Queries for the results page: sums over daily metrics, events, orders, and emails."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, ScalarSelect, Subquery, and_, case, func, or_, select
from sqlalchemy.orm import Session, aliased

from widget.storage.contacts import MARKETING, WITHDRAWN, Consent
from widget.storage.content import Publication
from widget.storage.daily_metrics import COMPLETED, DailyMetric
from widget.storage.emails import Email
from widget.storage.orders import Order
from widget.storage.responses import DailyEvent


@dataclass(frozen=True, slots=True)
class Span:
    """A range of days (UTC, inclusive) of a quiz; ``before`` is the first day of the preceding comparison period.

    A version of None and an empty locale mean all.
    """

    shop_id: int
    quiz: str
    first: date
    last: date
    before: date
    version: int | None = None
    locale: str = ""

    def fits(self, version: int, locale: str) -> bool:
        return self.version in (None, version) and self.locale in ("", locale)


class Completed(NamedTuple):
    day: date
    version: int
    locale: str
    number: int


class Ordered(NamedTuple):
    """A group of orders. ``total`` is in minor units.

    ``gone``: fully refunded or canceled since; ``refunded``: the amount refunded on the others.
    """

    currency: str
    direct: bool
    gone: bool
    number: int
    total: int
    refunded: int = 0


def tallied(session: Session, span: Span) -> dict[str, dict[str, int]]:
    """Return the sums of daily metrics as {metric: {name: number}}."""
    query = select(DailyMetric.metric, DailyMetric.name, func.sum(DailyMetric.number)).where(
        DailyMetric.shop_id == span.shop_id,
        DailyMetric.quiz == span.quiz,
        DailyMetric.day.between(span.first, span.last),
    )
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for what, name, number in session.execute(
        _split(query, DailyMetric, span).group_by(DailyMetric.metric, DailyMetric.name)
    ):
        found[what][name] = int(number)
    return found


def completed_days(session: Session, span: Span) -> list[Completed]:
    """Return completed quizzes by day, version, and locale from ``before`` on; the span's filters are not applied."""
    query = select(DailyMetric.day, DailyMetric.version, DailyMetric.locale, DailyMetric.number).where(
        DailyMetric.shop_id == span.shop_id,
        DailyMetric.quiz == span.quiz,
        DailyMetric.metric == COMPLETED,
        DailyMetric.day.between(span.before, span.last),
    )
    return [Completed(*row) for row in session.execute(query)]


def counted(session: Session, span: Span) -> dict[tuple[str, str, str], tuple[int, int]]:
    """Return (number in the span, number in the comparison period) by event, question, and SKU."""
    now = func.sum(case((DailyEvent.day >= span.first, DailyEvent.number), else_=0))
    query = select(DailyEvent.event, DailyEvent.question, DailyEvent.sku, now, func.sum(DailyEvent.number)).where(
        DailyEvent.shop_id == span.shop_id, DailyEvent.quiz == span.quiz, DailyEvent.day.between(span.before, span.last)
    )
    rows = session.execute(
        _split(query, DailyEvent, span).group_by(DailyEvent.event, DailyEvent.question, DailyEvent.sku)
    )
    return {(event, question, sku): (int(n), int(both - n)) for event, question, sku, n, both in rows}


def ordered(session: Session, span: Span) -> list[Ordered]:
    """Return groups of this span's orders that followed a completed quiz, excluding test orders."""
    gone = or_(Order.refunded_at.is_not(None), Order.cancelled_at.is_not(None))
    groups: list[ColumnElement[Any]] = [Order.currency.expression, _flag(Order.direct.is_(True)), _flag(gone)]
    keys = [group.label(f"k{at}") for at, group in enumerate(groups)]
    query = select(*keys, func.count(), *(func.coalesce(func.sum(item), 0) for item in (Order.total, Order.refunded)))
    rows: Iterable[Any] = session.execute(_with_quiz(query, span, span.first, span.last).group_by(*keys))
    return [Ordered(row[0], bool(row[1]), bool(row[2]), *map(int, row[3:])) for row in rows]


def ordered_before(session: Session, span: Span) -> int:
    """Count the orders of the comparison period that have direct attribution."""
    query = select(func.count()).select_from(Order).where(Order.direct.is_(True))
    return session.scalar(_with_quiz(query, span, span.before, span.first - timedelta(days=1))) or 0


def _with_quiz(query: Any, span: Span, first: date, last: date) -> Any:
    query = query.where(
        Order.shop_id == span.shop_id,
        Order.quiz == span.quiz,
        _moments(Order.placed_at, first, last),
        Order.test.is_(False),
    )
    if span.version is not None:
        query = query.where(Order.quiz_version == span.version)
    return query.where(Order.quiz_locale == span.locale) if span.locale else query


def emails_sent(session: Session, span: Span) -> dict[str, dict[str, int]]:
    """Return the emails sent in this span as {template: {state: number}}."""
    query = select(Email.template, Email.state, func.count()).where(
        Email.shop_id == span.shop_id, Email.quiz == span.quiz, _moments(Email.sent_at, span.first, span.last)
    )
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for email, state, number in session.execute(_split(query, Email, span).group_by(Email.template, Email.state)):
        found[email][state] = number
    return found


def unsubscribed(session: Session, span: Span) -> tuple[int, dict[str, int]]:
    """Return (contacts of the whole shop who withdrew consent in this span, their number by last email received)."""
    stopped = _stopped(span)
    fits: list[ColumnElement[bool]] = [Email.quiz == span.quiz]
    if span.version is not None:
        fits.append(Email.version == span.version)
    if span.locale:
        fits.append(Email.locale == span.locale)
    email = case((and_(*fits), Email.template), else_="").label("last_email")
    query = select(email, func.count()).select_from(stopped).outerjoin(Email, Email.id == _last_email(stopped))
    found = {name: int(number) for name, number in session.execute(query.group_by(email))}
    return sum(found.values()), {name: number for name, number in found.items() if name}


def _stopped(span: Span) -> Subquery:
    """Select (contact_id, at) of every contact of the shop who withdrew consent in this span, once per contact."""
    query = select(Consent.contact_id, func.max(Consent.at).label("at")).where(
        Consent.shop_id == span.shop_id,
        Consent.kind == MARKETING,
        Consent.state == WITHDRAWN,
        _moments(Consent.at, span.first, span.last),
    )
    return query.group_by(Consent.contact_id).subquery()


def _last_email(stopped: Subquery) -> ScalarSelect[int]:
    """Select the last email sent to a contact before they withdrew consent."""
    sent = aliased(Email)
    before = select(sent.id).where(sent.contact_id == stopped.c.contact_id, sent.sent_at <= stopped.c.at)
    return before.order_by(sent.sent_at.desc(), sent.id.desc()).limit(1).correlate(stopped).scalar_subquery()


def went_live(session: Session, shop_id: int, quiz: str) -> list[tuple[int, datetime]]:
    """Return (version, moment) of each publication, oldest first."""
    query = select(Publication.number, Publication.at).where(Publication.shop_id == shop_id, Publication.quiz == quiz)
    return [(number, at) for number, at in session.execute(query.order_by(Publication.sequence))]


def last_day(session: Session, shop_id: int, quiz: str) -> date | None:
    """Return the latest day on which the quiz was viewed or completed."""
    done = select(func.max(DailyMetric.day)).where(
        DailyMetric.shop_id == shop_id, DailyMetric.quiz == quiz, DailyMetric.metric == COMPLETED
    )
    seen = select(func.max(DailyEvent.day)).where(DailyEvent.shop_id == shop_id, DailyEvent.quiz == quiz)
    newest: Iterable[date | None] = (session.scalar(done), session.scalar(seen))
    return max((day for day in newest if day), default=None)


def _split(query: Any, table: type[DailyMetric | DailyEvent | Email], span: Span) -> Any:
    if span.version is not None:
        query = query.where(table.version == span.version)
    return query.where(table.locale == span.locale) if span.locale else query


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _moments(column: Any, first: date, last: date) -> ColumnElement[bool]:
    return and_(column >= _start(first), column < _start(last + timedelta(days=1)))


def _flag(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def csv_rows(session: Session, span: Span) -> Iterable[tuple[str | int | None, ...]]:
    """Yield everything that the page sums up, by day.

    Rows are (day, version, locale, what, name, number, currency, total, refunded).
    """
    where = (
        DailyMetric.shop_id == span.shop_id,
        DailyMetric.quiz == span.quiz,
        DailyMetric.day.between(span.first, span.last),
    )
    daily_metrics = select(
        DailyMetric.day,
        DailyMetric.version,
        DailyMetric.locale,
        DailyMetric.metric,
        DailyMetric.name,
        DailyMetric.number,
    ).where(*where)
    for day, version, locale, what, name, number in session.execute(
        _split(daily_metrics, DailyMetric, span).order_by(DailyMetric.id)
    ):
        yield str(day), version, locale, what, name, number, "", None, None
    among = (
        DailyEvent.shop_id == span.shop_id,
        DailyEvent.quiz == span.quiz,
        DailyEvent.day.between(span.first, span.last),
    )
    counts = select(DailyEvent).where(*among).order_by(DailyEvent.id)
    for count in session.scalars(_split(counts, DailyEvent, span)):
        name = count.question or count.sku
        yield str(count.day), count.version, count.locale, f"event {count.event}", name, count.number, "", None, None
    yield from _email_rows(session, span)
    yield from _order_rows(session, span)


def _email_rows(session: Session, span: Span) -> Iterable[tuple[str | int | None, ...]]:
    """Yield emails by the day they were sent, and unsubscribes by day with the last email the contact received."""
    where = Email.shop_id == span.shop_id, Email.quiz == span.quiz, _moments(Email.sent_at, span.first, span.last)
    outcome = (Email.version, Email.locale, Email.template)
    sent = select(Email.sent_at, *outcome).where(*where)
    stopped = _stopped(span)
    left = select(stopped.c.at, *outcome).join(Email, Email.id == _last_email(stopped)).where(Email.quiz == span.quiz)
    for what, query in (("email_sent", sent), ("email_unsubscribed", left)):
        sums = Counter((str(at.date()), *rest) for at, *rest in session.execute(_split(query, Email, span)))
        for (day, version, locale, email), number in sorted(sums.items()):
            yield day, version, locale, what, email, number, "", None, None


def _order_rows(session: Session, span: Span) -> Iterable[tuple[str | int | None, ...]]:
    """Yield orders by day, with assisted and with direct attribution."""
    gone = or_(Order.refunded_at.is_not(None), Order.cancelled_at.is_not(None))
    outcome = (Order.placed_at, Order.quiz_version, Order.quiz_locale, Order.currency, Order.direct, Order.total)
    orders = session.execute(_with_quiz(select(*outcome, Order.refunded, gone), span, span.first, span.last))
    sums: dict[tuple[str, int, str, str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for placed_at, version, locale, currency, direct, total, refunded, lost in orders:
        for name in ("assisted", "direct") if direct else ("assisted",):
            row = sums[(str(placed_at.date()), version or 0, locale or "", name, currency)]
            row[0] += 1
            row[1] += total or 0
            row[2] += (total or 0) if lost else min(refunded, total or 0)
    for (day, version, locale, name, currency), (number, total, refunded) in sorted(sums.items()):
        yield day, version, locale, "orders", name, number, currency, total, refunded
