"""Emails: the sequences an author writes, and the states one email goes through."""

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
    PLANNED: {QUEUED, SKIPPED, EXPIRED},
    QUEUED: {SENDING, SKIPPED, EXPIRED, PLANNED},
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
    """An email was asked to go where its state does not lead."""

    code = "wrong_state"


def next_state(state: str, to: str) -> str:
    """The new state. Raises WrongState for a way that is not in TRANSITIONS."""
    if to not in TRANSITIONS[state]:
        raise WrongState(f"an email cannot go from {state} to {to}")
    return to


@dataclass(frozen=True, slots=True)
class After:
    """How long after its anchor an email is due; ``uses`` is a share of the product's lasting time."""

    days: int = 0
    hours: int = 0
    at: str | None = None
    uses: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One email of a sequence. ``anchor`` gives days after each known order event, best known first."""

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
