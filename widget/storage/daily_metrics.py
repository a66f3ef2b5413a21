"""Daily metrics by day, version, and locale: sums without personal data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import Date, ForeignKey, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.domain.content.pack import ENDS_EARLY
from widget.storage.database import Table
from widget.storage.inserts import add_numbers

COMPLETED, OUTCOME, SHOWN, ANSWER, ANSWERED, ENDED, BOUGHT, EMAIL_CLICKED = (
    "completed",
    "outcome",
    "shown",
    "answer",
    "answered",
    "ended",
    "bought",
    "email_clicked",
)
"""Metrics. ``answer``: question=option. ``answered``: how many answered that question. ``ended``: the question after
which a red flag ended the quiz. ``bought``: orders with that SKU that followed a completed quiz. ``email_clicked``: how
often a link in that email was followed, by the version and locale of the email."""


class DailyMetric(Table):
    """A daily sum: the number of completed quizzes (for emails: clicks) with this metric and name.

    ``name`` is empty for metrics that need none.
    """

    __tablename__ = "daily_metrics"
    # The columns are in the order in which the results page queries them.
    __table_args__ = (UniqueConstraint("shop_id", "quiz", "metric", "day", "version", "locale", "name"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    quiz: Mapped[str] = mapped_column(Text)
    day: Mapped[date] = mapped_column(Date)
    version: Mapped[int]
    locale: Mapped[str] = mapped_column(Text)
    metric: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text, default="")
    number: Mapped[int] = mapped_column(default=0)


class DailyMetricKey(NamedTuple):
    """The unique key of a daily metric, with its columns in order."""

    shop_id: int
    quiz: str
    metric: str
    day: date
    version: int
    locale: str
    name: str


def daily_metrics_of(responses: Iterable[Mapping[str, Any]]) -> Counter[DailyMetricKey]:
    """Sum these responses (rows of the responses table) into daily metrics."""
    # Most answers occur many times as the same object, so each distinct set is processed once per batch.
    alike: dict[tuple[object, ...], tuple[Mapping[str, Any], int]] = {}
    for row in responses:
        where = (row["shop_id"], row["quiz"], row["version"], row["locale"], row["created_at"].date())
        same = (*where, row["outcome"], tuple(row["products"]), id(row["answers"]))
        alike[same] = (row, alike[same][1] + 1 if same in alike else 1)
    found: Counter[DailyMetricKey] = Counter()
    for row, number in alike.values():
        moment: datetime = row["created_at"]
        key = DailyMetricKey(row["shop_id"], row["quiz"], "", moment.date(), row["version"], row["locale"], "")
        for metric, name in _metrics_of(row):
            found[key._replace(metric=metric, name=name)] += number
    return found


def _metrics_of(row: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    yield COMPLETED, ""
    yield OUTCOME, row["outcome"]
    for sku in row["products"]:
        yield SHOWN, sku
    answers = row["answers"]
    for question, given in answers.items():
        yield ANSWERED, question
        for option in given:
            yield ANSWER, f"{question}={option}"
    if row["outcome"] in ENDS_EARLY and answers:
        yield ENDED, next(reversed(answers))


def add_daily_metrics(session: Session, daily_metrics: Mapping[DailyMetricKey, int]) -> None:
    """Add to daily metrics, inserting new ones, in the order of the key so that two writers cannot deadlock."""
    if not daily_metrics:
        return
    rows = [{**key._asdict(), "number": number} for key, number in sorted(daily_metrics.items())]
    add_numbers(session, DailyMetric, rows, DailyMetricKey._fields)
