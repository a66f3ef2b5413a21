"""Attribution of orders to the quiz: direct and assisted, each with its own time window."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime, timedelta

ASSISTED, DIRECT = timedelta(days=30), timedelta(days=7)


def day_of(moment: datetime) -> datetime:
    """Return the start of the day in UTC.

    An order stores only the day its quiz was completed: the exact time would identify the answers, which are stored
    with their exact time.
    """
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def quiz_had_part(
    completed_at: datetime, placed_at: datetime, *, shown: Collection[str], bought: Collection[str]
) -> bool | None:
    """Return None if the quiz had no part in an order, False if assisted only, True if also direct.

    Assisted: any order with the quiz visit, placed within 30 days of completing the quiz. Direct: within 7 days, with a
    product that the result showed. An order placed before the quiz was completed, because the store's clock is behind
    ours, counts as on time: the visit came from us.
    """
    waited = placed_at - completed_at
    if waited > ASSISTED:
        return None
    return waited <= DIRECT and not set(shown).isdisjoint(bought)
