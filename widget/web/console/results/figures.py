"""View model of the results page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from babel import Locale, UnknownLocaleError
from sqlalchemy.orm import Session

from widget.domain.content.pack import Pack
from widget.domain.email.sequence import BOUNCED, COMPLAINED, DELIVERED
from widget.domain.quiz.questions import MULTI, SCALE, Question
from widget.storage.daily_metrics import ANSWER, ANSWERED, BOUGHT, EMAIL_CLICKED, ENDED, OUTCOME, SHOWN
from widget.storage.figures import (
    Completed,
    completed_days,
    counted,
    emails_sent,
    last_day,
    ordered,
    ordered_before,
    tallied,
    unsubscribed,
    went_live,
)
from widget.web.console.results import charts
from widget.web.console.results.filter import Wanted
from widget.web.console.results.funnel import Counted, Headline, Step, headlines, steps_of, users
from widget.web.console.results.money import Money, money_of

OUTCOMES = {
    "products": "Products",
    "tips_only": "Tips only",
    "see_doctor": "See a doctor",
    "emergency": "Emergency",
}


@dataclass(frozen=True, slots=True)
class Bar:
    name: str
    number: int
    share: float
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Shares:
    """The answers to one question. ``high``: the point from which a scale counts as high."""

    id: str
    title: str
    note: str
    answered: int
    bars: list[Bar]
    columns: list[charts.Column] = field(default_factory=list)
    high: int = 0
    ends: tuple[str, str] = ("", "")


@dataclass(frozen=True, slots=True)
class Goods:
    """A product with three numbers: shown, clicked, and bought."""

    name: str
    numbers: tuple[int, int, int]
    widths: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Sent:
    """An email: how many were sent, and their outcomes. ``share``: clicks per hundred emails sent; None if none were.

    ``stopped``: people whose last email it was before they unsubscribed. ``widths``: sent, clicked, unsubscribed.
    """

    name: str
    sent: int
    arrived: int
    returned: int
    clicked: int
    share: float | None
    stopped: int
    widths: tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Mark:
    x: float
    name: str


@dataclass(slots=True)
class Figures:
    """All data of the page. ``newest``: the last day with any data, if the selected days have none."""

    wanted: Wanted
    empty: bool
    newest: date | None
    headlines: list[Headline]
    days: list[tuple[date, int, int]]
    line: charts.Line
    marks: list[Mark]
    split: list[Bar]
    completed: int
    completed_before: int
    steps: list[Step]
    worst: Step | None
    ended: int
    shares: list[Shares]
    outcomes: list[Bar]
    products: list[Goods]
    emails: list[Sent]
    unsubscribed: int
    money: list[Money]
    versions: list[int]


def figures_of(session: Session, pack: Pack, shop_id: int, quiz: str, wanted: Wanted) -> Figures:
    """Return all data of the page. It takes eight queries regardless of volume; two more if there is no data."""
    span = wanted.span(shop_id, quiz)
    sums, events = tallied(session, span), counted(session, span)
    every, orders = completed_days(session, span), ordered(session, span)
    sent, (stopped, last) = emails_sent(session, span), unsubscribed(session, span)
    live = went_live(session, shop_id, quiz)
    fitting = [row for row in every if span.fits(row.version, row.locale)]
    days = _days(fitting, wanted)
    completed = sum(now for _, now, _ in days)
    before = sum(was for _, _, was in days)
    direct = sum(order.number for order in orders if order.direct)
    bought = (direct, ordered_before(session, span) if wanted.against else 0)
    steps = steps_of(pack, events, sums, completed, direct)
    empty = not completed and not users(events, "seen")[0]
    return Figures(
        wanted=wanted,
        empty=empty,
        newest=last_day(session, shop_id, quiz) if empty else None,
        headlines=headlines(events, (completed, before), bought, against=wanted.against),
        days=days,
        line=charts.line([now for _, now, _ in days], [was for _, _, was in days] if wanted.against else []),
        marks=[Mark(charts.day_x(at, wanted.days), f"version {n}") for at, n in _published(live, wanted)],
        split=_split(every, wanted, pack),
        completed=completed,
        completed_before=before,
        steps=steps,
        worst=next((step for step in steps if step.worst), None),
        ended=sum(sums.get(ENDED, {}).values()),
        shares=[_shares(question, sums) for question in pack.quiz.questions],
        outcomes=_outcomes(sums.get(OUTCOME, {}), completed),
        products=_products(pack, events, sums),
        emails=_emails(sent, sums.get(EMAIL_CLICKED, {}), last),
        unsubscribed=stopped,
        money=money_of(orders, completed=completed, seen=users(events, "seen")[0]),
        versions=sorted({row.version for row in every} | {number for number, _ in live}, reverse=True),
    )


def _days(rows: list[Completed], wanted: Wanted) -> list[tuple[date, int, int]]:
    by_day: Counter[date] = Counter()
    for row in rows:
        by_day[row.day] += row.number
    every = [wanted.first + timedelta(days=at) for at in range(wanted.days)]
    back = timedelta(days=wanted.days)
    return [(day, by_day[day], by_day[day - back] if wanted.against else 0) for day in every]


def _published(live: list[tuple[int, datetime]], wanted: Wanted) -> list[tuple[int, int]]:
    """Return (index of the day, version) for the publications in the selected days.

    Only the last publication of a day counts, and only the last four days with one.
    """
    positions = {}
    for number, at in live:
        position = (at.date() - wanted.first).days
        if 0 <= position < wanted.days:
            positions[position] = number
    return sorted(positions.items())[-4:]


# Answers and outcomes ----------------------------------------------------------------------------------


def _shares(question: Question, sums: Mapping[str, Mapping[str, int]]) -> Shares:
    given, answered = sums.get(ANSWER, {}), sums.get(ANSWERED, {}).get(question.id, 0)
    names = {option.id: option.short or option.text for option in question.options}
    numbers = {option_id: given.get(f"{question.id}={option_id}", 0) for option_id in question.option_ids}
    start = f"{question.id}="
    # Options that only an earlier version offered were answered, too.
    numbers |= {
        name.removeprefix(start): n
        for name, n in given.items()
        if name.startswith(start) and name.removeprefix(start) not in numbers
    }
    bars = [Bar(names.get(number, number), n, charts.share(n, answered)) for number, n in numbers.items()]
    if question.kind != SCALE:
        note = "multiple choice" if question.kind == MULTI else f"one of {len(question.options)} options"
        bars.sort(key=lambda bar: -bar.number)
        return Shares(question.id, question.text, note, answered, bars)
    start_at, end_at = question.start or 0, question.end or 0
    high = start_at + -(-2 * (end_at - start_at) // 3)
    many = sum(n for number, n in numbers.items() if number.lstrip("-").isdigit() and int(number) >= high)
    note = f"{charts.share(many, answered):.0f}% at {high} or more"
    columns = charts.columns([bar.number for bar in bars])
    ends = (question.low or "", question.high or "")
    return Shares(question.id, question.text, note, answered, bars, columns, high, ends)


def _outcomes(found: Mapping[str, int], completed: int) -> list[Bar]:
    return [
        Bar(words, found.get(name, 0), charts.share(found.get(name, 0), completed)) for name, words in OUTCOMES.items()
    ]


def _split(rows: list[Completed], wanted: Wanted, pack: Pack) -> list[Bar]:
    """Return completed quizzes by version or by language, regardless of the version and language filter."""
    if wanted.by == "day":
        return []
    now: Counter[int | str] = Counter()
    was: Counter[int | str] = Counter()
    for row in rows:
        (now if row.day >= wanted.first else was)[row.version if wanted.by == "version" else row.locale] += row.number
    keys = sorted({*now, *was}, key=lambda wa: (-now[wa], str(wa)))
    name = language_name if wanted.by == "language" else "version {}".format
    whole = sum(now.values())
    return [Bar(name(item), now[item], charts.share(now[item], whole), was[item]) for item in keys]


def language_name(locale: object) -> str:
    """Return the English name of a locale (``es``: ``Spanish``); an unknown one is returned as it is."""
    try:
        return Locale.parse(str(locale), sep="-").get_display_name("en") or str(locale)
    except (ValueError, UnknownLocaleError):
        return str(locale)


# Products and emails ----------------------------------------------------------------------------------


def _products(pack: Pack, events: Counted, sums: Mapping[str, Mapping[str, int]]) -> list[Goods]:
    names = {product.sku: f"{product.name} {product.size or ''}".strip() for product in pack.products}
    shown, bought = sums.get(SHOWN, {}), sums.get(BOUGHT, {})
    clicked = {sku: now for (event, _, sku), (now, _) in events.items() if event == "product_clicked" and sku}
    rows = [
        (names.get(sku, sku), shown.get(sku, 0), clicked.get(sku, 0), bought.get(sku, 0)) for sku in {**names, **shown}
    ]
    return _goods(rows)


def _emails(sent: Mapping[str, Mapping[str, int]], clicks: Mapping[str, int], stopped: Mapping[str, int]) -> list[Sent]:
    """Return the numbers of each email, the most sent first.

    An email sent earlier can be clicked in the selected days, so an email in any of the three mappings is listed.
    """
    sums = {click: sum(sent.get(click, {}).values()) for click in {*sent, *clicks, *stopped}}
    most = max([*sums.values(), *clicks.values(), 1])
    found = []
    for email, number in sorted(sums.items(), key=lambda row: (-row[1], row[0])):
        states, clicked, left = sent.get(email, {}), clicks.get(email, 0), stopped.get(email, 0)
        found.append(
            Sent(
                name=email.replace("-", " ").capitalize(),
                sent=number,
                arrived=states.get(DELIVERED, 0),
                returned=states.get(BOUNCED, 0) + states.get(COMPLAINED, 0),
                clicked=clicked,
                share=charts.share(clicked, number) if number else None,
                stopped=left,
                widths=(charts.width(number, most), charts.width(clicked, most), charts.width(left, most)),
            )
        )
    return found


def _goods(rows: list[tuple[str, int, int, int]]) -> list[Goods]:
    rows.sort(key=lambda row: (-row[1], row[0]))
    most = max((row[1] for row in rows), default=0)
    return [
        Goods(name, (a, b, c), (charts.width(a, most), charts.width(b, most), charts.width(c, most)))
        for name, a, b, c in rows
    ]
