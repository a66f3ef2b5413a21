"""Whether an email may go, at the moment it would go. One function, over the latest state of everything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from widget.domain.email.sequence import EXPIRED, MARKETING, SENDING, SKIPPED

MARKETING_GAP = timedelta(hours=20)
CAP_WINDOW = timedelta(days=30)
"""What a consent text calls a month."""
DEFER = "defer"
STOCK_AGAIN = timedelta(days=1)
PAUSED, ONE_AT_A_TIME, QUIET_HOURS, DAILY_LIMIT = "shop_paused", "one_email_at_a_time", "quiet_hours", "daily_limit"
OUT_OF_STOCK, FREQUENCY_CAP = "out_of_stock", "frequency_cap"
UNSUBSCRIBED, ERASED, ERASURE_PENDING = "unsubscribed", "erased", "erasure_pending"
SAID_NO = frozenset({UNSUBSCRIBED})
"""Reasons of suppression that concern marketing only: what someone asks for anew may be sent."""


@dataclass(frozen=True, slots=True)
class SendContext:
    """What is known when an email is about to go. Times are aware moments."""

    now: datetime
    valid_until: datetime
    kind: str
    shop_paused: bool = False
    has_address: bool = True
    suppressed: str | None = None
    consent: bool = False
    order_cancelled: bool = False
    order_refunded: bool = False
    order_test: bool = False
    eligible: bool = True
    felt_worse: bool = False
    product_blocked: bool = False
    product_returned: bool = False
    """Nothing of what was bought is kept any more."""
    reordered: bool = False
    """What it would remind of was bought again since."""
    out_of_stock: bool = False
    """What it would remind of cannot be bought today."""
    condition_holds: bool = True
    last_marketing_at: datetime | None = None
    capped_by: datetime | None = None
    """When the oldest of as many marketing emails went as were promised at most: until 30 days later none goes."""
    asked_for: bool = False
    """The person has just asked for it, by their own address."""
    quiet_until: datetime | None = None
    """The end of the shop's quiet hours, while they last."""
    full_until: datetime | None = None
    """When the next emails may go, once as many went today as the shop allows."""


@dataclass(frozen=True, slots=True)
class Decision:
    """``verdict`` is the state to go to (sending, skipped, expired), or defer with ``until``."""

    verdict: str
    reason: str
    until: datetime | None = None


def decide(facts: SendContext) -> Decision:
    """Send, skip, expire or defer, with the reason. What stops an email for good is looked at first."""
    reason = _stops(facts)
    if reason:
        return Decision(SKIPPED, reason)
    if facts.now > facts.valid_until:
        return Decision(EXPIRED, "too_late_to_be_of_use")
    found = _wait_until(facts)
    if found is None:
        return Decision(SENDING, "all_checks_passed")
    until, reason = found
    if until > facts.valid_until:
        return Decision(EXPIRED, reason)
    return Decision(DEFER, reason, until)


def _stops(facts: SendContext) -> str | None:
    marketing = facts.kind == MARKETING
    checks = (
        (not facts.has_address, ERASED),
        (
            facts.suppressed is not None and not _may_pass(facts, marketing=marketing),
            facts.suppressed or "",
        ),
        (marketing and not facts.consent, "no_consent"),
        (facts.order_test, "test_order"),
        (facts.order_cancelled, "order_cancelled"),
        (facts.order_refunded, "order_refunded"),
        (not facts.eligible, "not_eligible"),
        (facts.felt_worse, "felt_worse"),
        (facts.product_blocked, "product_blocked"),
        (facts.product_returned, "product_returned"),
        (facts.reordered, "reordered"),
        (not facts.condition_holds, "condition"),
    )
    return next((reason for stopped, reason in checks if stopped), None)


def _may_pass(facts: SendContext, *, marketing: bool) -> bool:
    """Whether a suppressed address gets this all the same: a no to marketing stops nothing else, and who had everything
    deleted may ask for something new."""
    if facts.suppressed == ERASED:
        return facts.asked_for
    return not marketing and facts.suppressed in SAID_NO


def _wait_until(facts: SendContext) -> tuple[datetime, str] | None:
    """(until when, why) of what holds an email back longest; a pause counts before all else."""
    if facts.shop_paused:
        return facts.now + timedelta(hours=1), PAUSED
    waits = [(until, reason) for until, reason in _moments(facts) if until is not None and until > facts.now]
    return max(waits, key=lambda wait: wait[0], default=None)


def _moments(facts: SendContext) -> tuple[tuple[datetime | None, str], ...]:
    marketing = facts.kind == MARKETING and facts.last_marketing_at is not None
    free_at = facts.last_marketing_at + MARKETING_GAP if marketing and facts.last_marketing_at else None
    stocked_at = facts.now + STOCK_AGAIN if facts.out_of_stock else None
    return (
        (free_at, ONE_AT_A_TIME),
        (facts.capped_by + CAP_WINDOW if facts.kind == MARKETING and facts.capped_by else None, FREQUENCY_CAP),
        (stocked_at, OUT_OF_STOCK),
        (facts.quiet_until, QUIET_HOURS),
        (facts.full_until, DAILY_LIMIT),
    )
