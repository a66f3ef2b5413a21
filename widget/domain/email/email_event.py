"""Email events reported by email providers, and the suppressions that follow from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

DELIVERED, SOFT_BOUNCE, HARD_BOUNCE, COMPLAINT, UNSUBSCRIBED = (
    "delivered",
    "soft_bounce",
    "hard_bounce",
    "complaint",
    "unsubscribed",
)
BLOCKED, NOT_SPAM = "blocked", "not_spam"
"""``blocked``: refused because of the sender or the content, not because of the recipient; suppresses nobody.
``not_spam``: the recipient takes a complaint back."""
LOOKED_AT, TOO_MANY = 5, 3
"""Three soft bounces among the last five events: treat the mailbox as unreachable."""
BOUNCED, COMPLAINED, UNREACHABLE = "bounced", "complained", "unreachable"
UNREACHABLE_FOR = timedelta(days=30)
"""After that an address with soft bounces is tried again: mailboxes are emptied, and servers come back."""
LIFTABLE = (BOUNCED, UNREACHABLE)
"""Suppressions that the shop may lift: those that rest on a bounce, not on what the person said."""


@dataclass(frozen=True, slots=True)
class EmailReport:
    """An email event as the provider reported it.

    ``event_id`` is the provider's own id, the same for a replayed event. ``message_id`` includes its angle brackets; it
    is empty if the provider did not report it.
    """

    kind: str
    event_id: str
    email: str = ""
    at: datetime | None = None
    message_id: str = ""
    category: str = ""
    """Of a bounce: see ``bounce_category``."""
    cause: str = ""
    """What a refusal names, such as ``dmarc``; ``provider``: the domain that refused."""
    provider: str = ""


def suppressed_for(kind: str, last: Sequence[str]) -> str | None:
    """Return the reason to suppress an address after its newest event, or None.

    ``last``: the kinds of its events, newest first.
    """
    if kind == HARD_BOUNCE:
        return BOUNCED
    if kind == COMPLAINT:
        return COMPLAINED
    if kind == SOFT_BOUNCE and list(last[:LOOKED_AT]).count(SOFT_BOUNCE) >= TOO_MANY:
        return UNREACHABLE
    return None
