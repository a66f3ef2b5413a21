"""When an email is due, and whether its condition holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from widget.domain.catalog.product import Product
from widget.domain.catalog.target import TargetError, parse_targets
from widget.domain.email.sequence import ANCHORS, Step
from widget.domain.orders.order import Quantity
from widget.domain.quiz.condition import Chosen, Condition, Term
from widget.domain.quiz.questions import Question

MORNING = time(8)
LONGEST_WEEKS = 260
USES_A_WEEK = 7
"""Assumed when the shopper's own answer is unknown: once a day."""


@dataclass(frozen=True, slots=True)
class Bought:
    product: Product
    quantity: Quantity


@dataclass(frozen=True, slots=True)
class ConditionFacts:
    """The data that email conditions can use. ``answers`` is empty without consent to use them."""

    bought: tuple[Bought, ...] = ()
    order_count: int = 0
    emails_sent: frozenset[str] = frozenset()
    consents: frozenset[str] = frozenset()
    outcome: str | None = None
    answers: Mapping[str, Chosen] | None = None


def due_at(
    step: Step,
    events: Mapping[str, datetime | None],
    bought: Iterable[Bought],
    zone: str,
    *,
    uses_a_week: Decimal | None = None,
) -> datetime | None:
    """Return when a step is due, counted from the preferred known event; None while no event is known.

    ``events`` gives the times of placed, fulfilled, and delivered. ``after.uses`` = 0.8 adds uses per pack × quantity ÷
    uses per week × 0.8 weeks. Each product has its own pack size; the product that is used up first counts.
    ``uses_a_week`` is the shopper's answer (None: unknown, or not to be used).
    """
    start = _anchor(step, events)
    if start is None:
        return None
    start += timedelta(days=step.after.days, hours=step.after.hours)
    if step.after.uses is not None:
        lasting = [uses * item.quantity for item in bought if (uses := item.product.uses)]
        weeks = float(min(lasting, default=0)) / float(uses_a_week or USES_A_WEEK)
        start += timedelta(weeks=min(weeks * float(step.after.uses), LONGEST_WEEKS))
    return _at_local_time(start, step.after.at, zone)


def _anchor(step: Step, events: Mapping[str, datetime | None]) -> datetime | None:
    if not step.anchor:
        return next((events[name] for name in ("placed", *ANCHORS) if events.get(name)), None)
    for name in ANCHORS:
        moment = events.get(name)
        if name in step.anchor and moment:
            return moment + timedelta(days=step.anchor[name])
    return None


def quiet_until(now: datetime, start: str, end: str, zone: str) -> datetime | None:
    """Return the end of the quiet hours (HH:MM to HH:MM in time zone ``zone``) if ``now`` is within them, else None."""
    if not start or not end or start == end:
        return None
    local, begins, ends = _local(now, zone), time.fromisoformat(start), time.fromisoformat(end)
    clock = local.time().replace(tzinfo=None)
    over_midnight = begins > ends
    if (begins <= clock or clock < ends) if over_midnight else begins <= clock < ends:
        day = local.date() + timedelta(days=1 if over_midnight and clock >= begins else 0)
        return _moment(day, ends, local, after=now).astimezone(now.tzinfo)
    return None


def start_of_day(now: datetime, zone: str) -> datetime:
    """Return the start of the current day in time zone ``zone``."""
    local = _local(now, zone)
    return datetime.combine(local.date(), time(), local.tzinfo).astimezone(now.tzinfo)


def next_morning(now: datetime, zone: str) -> datetime:
    """Return when emails over today's limit are tried again: in the morning, since nobody wants them at midnight."""
    local = _local(now, zone)
    return datetime.combine(local.date() + timedelta(days=1), MORNING, local.tzinfo).astimezone(now.tzinfo)


def _local(moment: datetime, zone: str) -> datetime:
    try:
        return moment.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        return moment


def _moment(day: date, clock: time, local: datetime, *, after: datetime) -> datetime:
    """Return a wall-clock time of a day in the time zone of ``local``, in UTC.

    In the hour that the change to standard time repeats, a wall-clock time happens twice: the first that is not before
    ``after`` counts. Aware datetimes of one time zone compare by the clock alone, hence UTC.
    """
    first, second = (datetime.combine(day, clock, local.tzinfo).replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    return second if first < after <= second else first


def _at_local_time(moment: datetime, at: str | None, zone: str) -> datetime:
    if at is None:
        return moment
    local = _local(moment, zone)
    clock, day = time.fromisoformat(at), local.date()
    wanted = _moment(day, clock, local, after=moment)
    wanted = wanted if wanted >= moment else _moment(day + timedelta(days=1), clock, local, after=moment)
    return wanted.astimezone(moment.tzinfo)


def answered_uses(questions: Iterable[Question], answers: Mapping[str, Sequence[str]]) -> Decimal | None:
    """Return the uses per week implied by the answers, from ``uses_per_week`` of the chosen options.

    The highest value counts. None: no chosen option has one.
    """
    chosen = [
        option.uses_per_week
        for question in questions
        for option in question.options
        if option.uses_per_week and option.id in answers.get(question.id, ())
    ]
    return max(chosen, default=None)


def known_zone(*zones: str) -> str:
    """Return the first valid time zone name, or UTC if there is none."""
    for zone in zones:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            continue
        return zone
    return "UTC"


def condition_holds(condition: Condition, facts: ConditionFacts) -> bool:
    """Return whether an email's condition holds; questions whose answers may not be used count as not asked."""
    return any(all(_holds(term, facts) for term in clause) for clause in condition.clauses)


def _holds(term: Term, facts: ConditionFacts) -> bool:
    return term.holds(_chosen(term, facts))


def _chosen(term: Term, facts: ConditionFacts) -> Chosen:
    if term.field == "order.contains":
        return frozenset(term.values) if _contains(term, facts.bought) else frozenset({""})
    if term.field == "order.count":
        return frozenset({str(facts.order_count)})
    if term.field == "email.sent":
        return facts.emails_sent or frozenset({""})
    if term.field.startswith("consent."):
        return frozenset({"yes" if term.field.removeprefix("consent.") in facts.consents else "no"})
    if term.field == "outcome":
        return frozenset({facts.outcome}) if facts.outcome else None
    return (facts.answers or {}).get(term.field)


def _contains(term: Term, bought: Iterable[Bought]) -> bool:
    try:
        targets = parse_targets("|".join(term.values))
    except TargetError:
        return False
    return any(target.fits(item.product) for item in bought for target in targets)
