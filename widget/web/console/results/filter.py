"""Filters of the results page: period, version, locale, comparison."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

from widget.storage.figures import Span
from widget.web.numbers import whole_number

PERIODS = ("7", "30", "90")
OWN, USUAL = "own", "30"
BY = ("day", "version", "language")
MAX_DAYS = 400


@dataclass(frozen=True, slots=True)
class Wanted:
    """The selected filter. ``period``: one of PERIODS, or OWN for chosen dates. Both days are included."""

    period: str
    first: date
    last: date
    against: bool
    by: str
    version: int | None = None
    locale: str = ""

    @classmethod
    def of(cls, args: Mapping[str, str], today: date) -> Wanted:
        """Read the filter from a query string. Dates changed in the form take precedence over its period."""
        period = args.get("period", USUAL)
        first, last = _day(args.get("from")), _day(args.get("to"))
        if first and last and (period == OWN or f"{first}/{last}" != args.get("shown", f"{first}/{last}")):
            period = OWN
        if period != OWN or not first or not last:
            period = period if period in PERIODS else USUAL
            first, last = today - timedelta(days=int(period) - 1), today
        first, last = min(first, last), max(first, last)
        first = max(first, last - timedelta(days=MAX_DAYS - 1))
        version = args.get("version", "")
        return cls(
            period=period,
            first=first,
            last=last,
            # Browsers do not send an unticked checkbox; ``shown`` tells whether the form was submitted at all.
            against=args.get("against") == "1" or "shown" not in args,
            by=args["by"] if args.get("by") in BY else "day",
            version=whole_number(version),
            locale=args.get("language", "")[:35],
        )

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def before(self) -> date:
        return self.first - timedelta(days=self.days)

    @property
    def before_name(self) -> str:
        return f"previous {self.days} days" if self.days > 1 else "previous day"

    @property
    def narrowed(self) -> bool:
        return self.version is not None or bool(self.locale)

    def span(self, shop_id: int, quiz: str) -> Span:
        before = self.before if self.against else self.first
        return Span(shop_id, quiz, self.first, self.last, before, self.version, self.locale)


def _day(text: str | None) -> date | None:
    try:
        found = date.fromisoformat(text or "")
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2999 else None
