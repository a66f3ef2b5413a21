"""Reports of email providers, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

DELIVERED, SOFT_BOUNCE, HARD_BOUNCE, COMPLAINT, UNSUBSCRIBED = (
    "delivered",
    "soft_bounce",
    "hard_bounce",
    "complaint",
    "unsubscribed",
)
LOOKED_AT, TOO_MANY = 5, 3
"""Three soft bounces among the last five reports: the mailbox is as good as gone."""
BOUNCED, COMPLAINED, UNREACHABLE = "bounced", "complained", "unreachable"


@dataclass(frozen=True, slots=True)
class EmailReport:
    """``event_id`` is the provider's own, the same for a replay; ``message_id`` with its angle brackets, if told."""

    kind: str
    event_id: str
    email: str = ""
    at: datetime | None = None
    message_id: str = ""


def suppressed_for(kind: str, last: Sequence[str]) -> str | None:
    """The reason to stop writing to an address, after its newest report; ``last``: kinds, the newest first."""
    if kind == HARD_BOUNCE:
        return BOUNCED
    if kind == COMPLAINT:
        return COMPLAINED
    if kind == SOFT_BOUNCE and list(last[:LOOKED_AT]).count(SOFT_BOUNCE) >= TOO_MANY:
        return UNREACHABLE
    return None
