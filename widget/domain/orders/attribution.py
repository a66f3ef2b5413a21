"""Which orders the quiz had a part in: two ways of counting, each with its window in time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

ASSISTED, DIRECT = timedelta(days=30), timedelta(days=7)


def day_of(moment: datetime) -> datetime:
    """The beginning of its day in UTC. An order keeps no more of when its quiz was completed: the exact moment would
    lead to the answers, which are stored with theirs."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def quiz_had_part(
    completed_at: datetime, placed_at: datetime, *, shown: Collection[str], bought: Collection[str]
) -> bool | None:
    """None: no part. False: the assisted count alone. True: the direct count as well.

    Generous: any order within 30 days of the completed quiz whose visit it carries. Strict: within 7 days, with a
    product that the result showed. A till whose clock is behind ours counts as on time: the visit came from us.
    """
    waited = placed_at - completed_at
    if waited > ASSISTED:
        return None
    return waited <= DIRECT and not set(shown).isdisjoint(bought)
