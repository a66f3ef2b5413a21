"""Email sequences as an author writes them, and the states of an email."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from widget.domain.quiz.condition import ALWAYS, Condition

TRIGGERS = (
    "result.requested",
    "order.placed",
    "order.paid",
    "order.fulfilled",
    "order.delivered",
    "consent.confirmed",
)
TRANSACTIONAL, MARKETING = "transactional", "marketing"
ANCHORS = ("delivered", "fulfilled", "placed")

PLANNED, QUEUED, SENDING, SENT = "planned", "queued", "sending", "sent"
SKIPPED, EXPIRED, FAILED, DELIVERY_UNKNOWN = "skipped", "expired", "failed", "delivery_unknown"
DELIVERED, BOUNCED, COMPLAINED = "delivered", "bounced", "complained"
TRANSITIONS = {
    PLANNED: {QUEUED, SKIPPED, EXPIRED, DELIVERY_UNKNOWN},  # The last one only after a restore from a backup.
    QUEUED: {SENDING, SKIPPED, EXPIRED, PLANNED, DELIVERY_UNKNOWN},
    SENDING: {SENT, FAILED, DELIVERY_UNKNOWN, PLANNED},
    DELIVERY_UNKNOWN: {PLANNED, SENT},
    SENT: {DELIVERED, BOUNCED, COMPLAINED},
    DELIVERED: {BOUNCED, COMPLAINED},
    FAILED: set(),
    SKIPPED: set(),
    EXPIRED: set(),
    BOUNCED: set(),
    COMPLAINED: set(),
}
STATES = tuple(TRANSITIONS)


class WrongState(Exception):
    """Raised when an email's state does not allow the requested transition."""

    code = "wrong_state"


def next_state(state: str, to: str) -> str:
    """Return the new state. Raises WrongState for a transition that is not in TRANSITIONS."""
    if to not in TRANSITIONS[state]:
        raise WrongState(f"an email cannot go from {state} to {to}")
    return to


@dataclass(frozen=True, slots=True)
class After:
    """The delay between an email's anchor and its due time.

    ``uses`` is a fraction of the time that the product lasts.
    """

    days: int = 0
    hours: int = 0
    at: str | None = None
    uses: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One email of a sequence.

    ``anchor`` gives the days after each order event; the first known event in the order of ANCHORS counts.
    """

    id: str
    email: str
    after: After = After()
    anchor: dict[str, int] = field(default_factory=dict)
    when: Condition = ALWAYS
    valid_days: int = 14
    subject_b: str | None = None


@dataclass(frozen=True, slots=True)
class Sequence:
    id: str
    trigger: str
    kind: str
    steps: tuple[Step, ...]
