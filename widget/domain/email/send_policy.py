"""The send policy: decide whether an email may be sent, at the time of sending and from the latest data."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from widget.domain.email.sequence import EXPIRED, MARKETING, SENDING, SKIPPED

MARKETING_GAP = timedelta(hours=20)
CAP_WINDOW = timedelta(days=30)
"""The period that consent texts call a month."""
DEFER = "defer"
STOCK_AGAIN = timedelta(days=1)
PAUSED, ONE_AT_A_TIME, QUIET_HOURS, DAILY_LIMIT = "shop_paused", "one_email_at_a_time", "quiet_hours", "daily_limit"
OUT_OF_STOCK, FREQUENCY_CAP = "out_of_stock", "frequency_cap"
UNSUBSCRIBED, ERASED, ERASURE_PENDING = "unsubscribed", "erased", "erasure_pending"
BOUNCED, UNREACHABLE, COMPLAINED = "bounced", "unreachable", "complained"
ASKED_AGAIN = frozenset({ERASED, BOUNCED, UNREACHABLE, COMPLAINED})
"""Suppression reasons that do not block an email which the person has just requested."""
SAID_NO = frozenset({UNSUBSCRIBED})
"""Suppression reasons that block marketing emails only: other emails may still be sent."""


@dataclass(frozen=True, slots=True)
class SendContext:
    """What is known when an email is about to be sent. Times are timezone-aware."""

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
    """The buyer has returned everything that was bought."""
    reordered: bool = False
    """The product that the email is a reminder of has been bought again since."""
    out_of_stock: bool = False
    """The product that the email is a reminder of cannot be bought today."""
    condition_holds: bool = True
    last_marketing_at: datetime | None = None
    capped_by: datetime | None = None
    """When the nth latest marketing email was sent, n being the promised maximum; None if fewer were sent.

    No marketing email is sent until 30 days after that.
    """
    asked_for: bool = False
    """The person has just requested this email, using their own address."""
    quiet_until: datetime | None = None
    """The end of the shop's quiet hours; None outside them."""
    full_until: datetime | None = None
    """When the next emails may be sent, if the shop's daily sending limit has been reached; else None."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision of the send policy.

    ``verdict`` is the email's next state (sending, skipped, or expired), or ``defer``, with the time in ``until``.
    """

    verdict: str
    reason: str
    until: datetime | None = None


def decide(facts: SendContext) -> Decision:
    """Decide whether to send, skip, expire, or defer an email, with the reason.

    Reasons that stop an email for good are checked first.
    """
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
    """Return whether an email may be sent to a suppressed address.

    An unsubscribe blocks marketing emails only. What the person has just requested is sent in any case: its link
    confirms that the address works and is theirs, which lifts the suppression.
    """
    if facts.suppressed in ASKED_AGAIN and facts.asked_for:
        return True
    return not marketing and facts.suppressed in SAID_NO


def _wait_until(facts: SendContext) -> tuple[datetime, str] | None:
    """Return (until, reason) of the longest deferral, or None; a paused shop takes precedence."""
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
