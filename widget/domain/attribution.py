"""Which orders the quiz had a part in: two ways of counting, each with its window in time."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

GENEROUS, STRICT = timedelta(days=30), timedelta(days=7)


def quiz_had_part(
    completed_at: datetime, placed_at: datetime, *, shown: Collection[str], bought: Collection[str]
) -> bool | None:
    """None: no part. False: the generous count alone. True: the strict count as well.

    Generous: any order within 30 days of the completed quiz whose visit it carries. Strict: within 7 days, with a
    product that the result showed. A till whose clock is behind ours counts as on time: the visit came from us.
    """
    waited = placed_at - completed_at
    if waited > GENEROUS:
        return None
    return waited <= STRICT and not set(shown).isdisjoint(bought)
