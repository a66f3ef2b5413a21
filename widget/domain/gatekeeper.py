"""Whether a letter may go, at the moment it would go. One function, over the latest state of everything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from widget.domain.letter import EXPIRED, MARKETING, SENDING, SKIPPED

MARKETING_GAP = timedelta(hours=20)
DEFER = "defer"
UNSUBSCRIBED, ERASED = "unsubscribed", "erased"
SAID_NO = frozenset({UNSUBSCRIBED})
"""Reasons of suppression that concern marketing only: what someone asks for anew may be sent."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known when a letter is about to go. Times are aware moments."""

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
    product_withheld: bool = False
    condition_holds: bool = True
    last_marketing_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """``verdict`` is the state to go to (sending, skipped, expired), or defer with ``until``."""

    verdict: str
    reason: str
    until: datetime | None = None


def decide(facts: Facts) -> Decision:
    """Send, skip, expire or defer, with the reason. What stops a letter for good is looked at first."""
    reason = _stops(facts)
    if reason:
        return Decision(SKIPPED, reason)
    if facts.now > facts.valid_until:
        return Decision(EXPIRED, "too_late_to_be_of_use")
    until = _wait_until(facts)
    if until is None:
        return Decision(SENDING, "all_checks_passed")
    reason = "shop_paused" if facts.shop_paused else "one_letter_at_a_time"
    if until > facts.valid_until:
        return Decision(EXPIRED, reason)
    return Decision(DEFER, reason, until)


def _stops(facts: Facts) -> str | None:
    marketing = facts.kind == MARKETING
    checks = (
        (not facts.has_address, ERASED),
        (
            facts.suppressed is not None and (marketing or facts.suppressed not in SAID_NO),
            facts.suppressed or "",
        ),
        (marketing and not facts.consent, "no_consent"),
        (facts.order_test, "test_order"),
        (facts.order_cancelled, "order_cancelled"),
        (facts.order_refunded, "order_refunded"),
        (not facts.eligible, "not_eligible"),
        (facts.felt_worse, "felt_worse"),
        (facts.product_withheld, "product_withheld"),
        (not facts.condition_holds, "condition"),
    )
    return next((reason for stopped, reason in checks if stopped), None)


def _wait_until(facts: Facts) -> datetime | None:
    if facts.shop_paused:
        return facts.now + timedelta(hours=1)
    if facts.kind == MARKETING and facts.last_marketing_at:
        free_at = facts.last_marketing_at + MARKETING_GAP
        return free_at if free_at > facts.now else None
    return None
