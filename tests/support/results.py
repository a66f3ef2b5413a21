"""Quiz traffic and its daily metrics."""

from __future__ import annotations

from sqlalchemy import func, select

from widget.services import Services
from widget.storage.daily_metrics import (
    DailyMetric,
)

PAGE = "/console/shops/demo/quizzes/leg-day/results"


ANSWERS = "/v1/shops/demo/quizzes/leg-day/responses"


BOT = {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}


PERSON = {"User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X)"}


def tallied(services: Services, what: str) -> dict[str, int]:
    services.recorder.flush()
    with services.reads() as session:
        found = session.execute(
            select(DailyMetric.name, func.sum(DailyMetric.number))
            .where(DailyMetric.metric == what)
            .group_by(DailyMetric.name)
        )
        return {name: int(number) for name, number in found}
