"""Simulation of the emails that an order would trigger, and when, with the same rules as for real emails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from widget.domain.email.schedule import Bought, ConditionFacts, condition_holds, due_at, quiet_until
from widget.domain.email.send_policy import DEFER, SendContext, decide
from widget.domain.email.sequence import EXPIRED, MARKETING, SENDING, SKIPPED, TRANSACTIONAL, Sequence, Step
from widget.domain.quiz.condition import Chosen

MAX_WAITS = 60
EVENT_OF = {
    "order.placed": "placed",
    "order.paid": "paid",
    "order.fulfilled": "fulfilled",
    "order.delivered": "delivered",
}
NOT_YET = "waits"


@dataclass(frozen=True, slots=True)
class Case:
    """An order and what is known about its buyer. ``moments``: order event names to the times they happened.

    ``answers`` are given only if they may be used (consent to health data). ``zone``: the recipient's time zone.
    """

    moments: Mapping[str, datetime]
    bought: tuple[Bought, ...]
    returned: bool = False
    test: bool = False
    marketing: bool = False
    health_data: bool = False
    asked_for_result: bool = False
    eligible: bool = True
    outcome: str | None = None
    answers: Mapping[str, Chosen] = field(default_factory=dict)
    uses_a_week: Decimal | None = None
    order_count: int = 1
    zone: str = "UTC"
    quiet_from: str = ""
    quiet_to: str = ""
    emails_per_month: int = 2


@dataclass(frozen=True, slots=True)
class Simulated:
    """The simulated fate of one email.

    ``verdict``: sending, skipped, expired, or waits (for an event that has not happened). ``at``: when (UTC).
    ``deferred``: the reasons for which it was deferred before that.
    """

    sequence: str
    step: str
    email: str
    kind: str
    verdict: str
    reason: str
    at: datetime | None = None
    deferred: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Scheduled:
    sequence: Sequence
    step: Step
    due: datetime


def simulate(sequences: tuple[Sequence, ...], case: Case, start: datetime) -> list[Simulated]:
    """Return every email of the sequences that apply to this case, in sending order; waiting emails come last."""
    planned, waiting = [], []
    for sequence, step in _steps(sequences, case):
        moment = _due(sequence, step, case, start)
        if moment is None:
            reason = f"no {sequence.trigger} yet"
            waiting.append(Simulated(sequence.id, step.id, step.email, sequence.kind, NOT_YET, reason))
        else:
            planned.append(_Scheduled(sequence, step, moment))
    found: list[Simulated] = []
    for item in sorted(planned, key=lambda one: one.due):
        found.append(_play(item, case, start, found))
    return sorted(found, key=lambda one: one.at or start) + waiting


def _steps(sequences: tuple[Sequence, ...], case: Case) -> Iterator[tuple[Sequence, Step]]:
    for sequence in sequences:
        if sequence.trigger == "consent.confirmed" and not case.marketing:
            continue
        if sequence.trigger == "result.requested" and not case.asked_for_result:
            continue
        for step in sequence.steps:
            yield sequence, step


def _due(sequence: Sequence, step: Step, case: Case, start: datetime) -> datetime | None:
    if sequence.trigger not in EVENT_OF:
        return due_at(step, {"placed": start}, (), case.zone)
    if EVENT_OF[sequence.trigger] not in case.moments:
        return None
    return due_at(step, case.moments, case.bought, case.zone, uses_a_week=case.uses_a_week)


def _play(scheduled: _Scheduled, case: Case, start: datetime, before: list[Simulated]) -> Simulated:
    """Simulate one email from its due time until it is sent, skipped, or expired."""
    sequence, step = scheduled.sequence, scheduled.step
    simulated = Simulated(sequence.id, step.id, step.email, sequence.kind, SKIPPED, "")
    ordered = sequence.trigger in EVENT_OF
    now = max(scheduled.due, start)
    deferred: list[str] = []
    valid_until = scheduled.due + timedelta(days=step.valid_days)
    for _ in range(MAX_WAITS):
        decision = decide(_facts(scheduled, case, now, valid_until, before, ordered=ordered))
        if decision.verdict != DEFER or decision.until is None:
            return replace(
                simulated, verdict=decision.verdict, reason=decision.reason, at=now, deferred=tuple(deferred)
            )
        now = decision.until
        deferred.append(decision.reason)
    return replace(simulated, verdict=EXPIRED, reason="deferred too often", at=now, deferred=tuple(deferred))


def _facts(
    scheduled: _Scheduled, case: Case, now: datetime, valid_until: datetime, before: list[Simulated], *, ordered: bool
) -> SendContext:
    sent = [one for one in before if one.verdict == SENDING and one.at is not None and one.at <= now]
    promoted = [one.at for one in before if one.verdict == SENDING and one.kind == MARKETING and one.at is not None]
    asked = scheduled.sequence.trigger == "result.requested" and scheduled.sequence.kind == TRANSACTIONAL
    consents = {"marketing"} if case.marketing else set()
    consents |= {"health_data"} if case.health_data else set()
    holds = condition_holds(
        scheduled.step.when,
        ConditionFacts(
            bought=case.bought if ordered else (),
            order_count=case.order_count,
            emails_sent=frozenset(one.email for one in sent),
            consents=frozenset(consents),
            outcome=case.outcome,
            answers=case.answers,
        ),
    )
    happened = {name for name, moment in case.moments.items() if moment <= now}
    return SendContext(
        now=now,
        valid_until=valid_until,
        kind=scheduled.sequence.kind,
        consent=case.marketing,
        order_cancelled=ordered and "cancelled" in happened,
        order_refunded=ordered and "refunded" in happened,
        order_test=ordered and case.test,
        eligible=case.eligible or not ordered,
        product_returned=ordered and case.returned,
        condition_holds=holds,
        last_marketing_at=max(promoted, default=None),
        capped_by=sorted(promoted)[-case.emails_per_month] if len(promoted) >= case.emails_per_month else None,
        asked_for=asked,
        quiet_until=None if asked else quiet_until(now, case.quiet_from, case.quiet_to, case.zone),
    )
