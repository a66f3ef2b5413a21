"""Simulated shoppers: visits to a store's pages, generated from a seed. No side effects; for the demo store only."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from math import sin

from widget.domain.engine.code import asked_answers
from widget.domain.engine.evaluation import evaluate
from widget.domain.engine.live import Engine
from widget.domain.quiz.condition import Chosen
from widget.domain.quiz.questions import MULTI, SCALE, Question

Likes = Mapping[str, Mapping[str, float]]
"""Weight of each option by question; for questions with multiple answers, the probability of each option."""

TEAM: tuple[tuple[float, Likes], ...] = (
    (  # Runners: calves and quads, quick products on the go.
        0.36,
        {
            "area": {
                "calves": 0.68,
                "quads": 0.4,
                "hamstrings": 0.22,
                "knees": 0.24,
                "glutes": 0.08,
                "whole-leg": 0.05,
            },
            "knee-kind": {"front": 7, "back": 1, "around": 2},
            "apply": {"hands-free": 5, "quick-spray": 3, "rub-in": 2, "rich": 0.5},
            "moment": {"on-the-go": 5, "gym": 2, "before-bed": 3},
            "scent": {"fresh": 6, "faint": 2, "none": 2},
            "recover": {"move": 0.6, "roll": 0.5, "massage": 0.25, "rest": 0.2},
            "often": {"once": 1, "few": 5, "most-days": 4, "daily": 1},
        },
    ),
    (  # Lifters: quads and glutes, more soreness, at the gym.
        0.34,
        {
            "area": {
                "quads": 0.72,
                "glutes": 0.55,
                "hamstrings": 0.42,
                "calves": 0.1,
                "knees": 0.14,
                "whole-leg": 0.12,
            },
            "knee-kind": {"front": 5, "back": 2, "around": 3},
            "apply": {"rub-in": 5, "hands-free": 2, "quick-spray": 2, "rich": 2},
            "moment": {"gym": 6, "before-bed": 3, "on-the-go": 1},
            "scent": {"fresh": 7, "faint": 2, "none": 1},
            "recover": {"roll": 0.5, "rest": 0.4, "massage": 0.4, "move": 0.3},
            "often": {"once": 2, "few": 6, "most-days": 2, "daily": 0.6},
        },
    ),
    (  # Beginners: the whole leg, in the evening, with time.
        0.3,
        {
            "area": {"whole-leg": 0.24, "quads": 0.45, "calves": 0.4, "glutes": 0.25, "hamstrings": 0.2, "knees": 0.26},
            "knee-kind": {"front": 4, "back": 2, "around": 4},
            "apply": {"rub-in": 4, "rich": 4, "hands-free": 2, "quick-spray": 1},
            "moment": {"before-bed": 7, "gym": 1, "on-the-go": 2},
            "scent": {"faint": 4, "none": 4, "fresh": 3},
            "recover": {"rest": 0.6, "massage": 0.5, "move": 0.35, "roll": 0.1},
            "often": {"once": 3, "few": 5, "most-days": 1, "daily": 1},
        },
    ),
)
EVERYBODY: Likes = {
    "trained": {"today": 16, "yesterday": 38, "days-2-3": 32, "days-4-5": 9, "days-6-7": 4, "over-week": 0.4},
    "signs": {"none": 0.976, "recurring": 0.2, "medicine": 0.2, "fever": 0.2, "injury": 0.2, "breathing": 0.03},
    "health": {
        "none": 0.8, "menthol": 0.03, "daisy": 0.03, "asthma": 0.04, "pregnant": 0.03, "broken-skin": 0.03,
        "under-18": 0.02, "blood-thinner": 0.02, "drug-test": 0.03, "condition": 0.02, "seizures": 0.005,
    },
}  # fmt: skip
SORENESS = {"today": 3.2, "yesterday": 5.1, "days-2-3": 5.3, "days-4-5": 3.7, "days-6-7": 2.6, "over-week": 3.5}
"""Mean position on the soreness scale by the day of training: highest after one to three days."""
LEAVES = {"health": 0.078, "recover": 0.035, "signs": 0.03, "knee-kind": 0.02, "often": 0.012}
LEAVES_ELSEWHERE = 0.021
WEEK = (0.94, 1.06, 1.02, 0.92, 0.86, 1.0, 1.2)
HOURS = (1, 0.4, 0.2, 0.2, 0.3, 1, 2, 3, 4, 4, 4, 4, 5, 5, 4, 4, 5, 6, 8, 9, 10, 9, 6, 3)
STARTS = 0.42


@dataclass(slots=True)
class Bought:
    """An order with its dates. ``skus``: quantity by SKU."""

    at: datetime
    skus: dict[str, int]
    refunded_at: datetime | None = None
    cancelled_at: datetime | None = None


@dataclass(slots=True)
class Visit:
    """One view of a page with the quiz, and how far the shopper went."""

    at: datetime
    locale: str
    started: bool = False
    answered: list[str] = field(default_factory=list)
    answers: dict[str, list[str]] | None = None
    outcome: str = ""
    products: list[str] = field(default_factory=list)
    clicked: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    bought: Bought | None = None


def visits(engine: Engine, *, now: datetime, days: int, number: int, seed: str) -> Iterator[Visit]:
    """Yield about ``number`` visits over the days up to now, oldest day first.

    Traffic grows over time and is highest on Sundays.
    """
    dice = random.Random(seed)  # noqa: S311  # Sample data, not a secret.
    first = now.date() - timedelta(days=days - 1)
    pull = [_pull(first + timedelta(days=at), at / max(days, 2), dice) for at in range(days)]
    for at in range(days):
        share = at / max(days, 2)
        for _ in range(round(number * pull[at] / sum(pull))):
            moment = _moment(first + timedelta(days=at), dice)
            if moment <= now:
                yield _visit(engine, moment, now, share, dice)


def _pull(day: date, share: float, dice: random.Random) -> float:
    return (0.82 + 0.36 * share + 0.05 * sin(share * 9)) * WEEK[day.weekday()] * dice.uniform(0.93, 1.07)


def _moment(day: date, dice: random.Random) -> datetime:
    hour = dice.choices(range(24), HOURS)[0]
    return datetime.combine(day, time(hour, dice.randrange(60), dice.randrange(60)), UTC)


def _visit(engine: Engine, at: datetime, now: datetime, share: float, dice: random.Random) -> Visit:
    pack = engine.rules.pack
    tongues = {"en": 74 - 8 * share, "es": 19 + 6 * share, "ar": 7 + 2 * share}
    locale = dice.choices(pack.locales, [tongues.get(item, 4) for item in pack.locales])[0]
    visit = Visit(at, locale, started=dice.random() < STARTS * (0.97 + 0.06 * share))
    if visit.started and _take(engine, visit, dice):
        _shop(engine, visit, now, dice)
    return visit


def _take(engine: Engine, visit: Visit, dice: random.Random) -> bool:
    """Answer the questions; return False if the shopper leaves before the end."""
    rules = engine.rules
    likes = dice.choices([item for _, item in TEAM], [part for part, _ in TEAM])[0]
    chosen: dict[str, Chosen] = {}
    drawn: dict[str, list[str]] = {}
    for question in rules.pack.quiz.questions:
        if question.show_if.holds(chosen):
            drawn[question.id] = _answer(question, likes, drawn, dice)
            chosen[question.id] = frozenset(drawn[question.id])
    answers = asked_answers(rules.pack.quiz, rules.walk(drawn))
    for question_id in answers:
        if dice.random() < LEAVES.get(question_id, LEAVES_ELSEWHERE):
            return False
        visit.answered.append(question_id)
    found = evaluate(rules, engine.catalog, answers)
    visit.answers, visit.outcome = answers, found.outcome
    visit.products = [rules.products[shown.place].sku for shown in found.shown]
    return True


def _answer(question: Question, likes: Likes, drawn: Mapping[str, list[str]], dice: random.Random) -> list[str]:
    weights = likes.get(question.id) or EVERYBODY.get(question.id) or {}
    ids = question.option_ids
    if question.kind == MULTI:
        return _several(question, {item: weights.get(item, 0.25 if not weights else 0.0) for item in ids}, dice)
    if question.kind == SCALE:
        trained = next(iter(drawn.get("trained", ())), "")
        middle = SORENESS.get(trained, len(ids) / 2) + (0.7 if len(drawn.get("area", ())) > 2 else 0.0)
        return [ids[min(len(ids) - 1, max(0, round(dice.gauss(middle, 1.5))))]]
    return [dice.choices(ids, [weights.get(item, 1.0 if not weights else 0.2) for item in ids])[0]]


def _several(question: Question, chances: Mapping[str, float], dice: random.Random) -> list[str]:
    """Return one exclusive option, or all options that apply, within the limits of the question."""
    for alone in question.option_ids:
        if alone in question.only_ids and dice.random() < chances[alone]:
            return [alone]
    free = [option_id for option_id in question.option_ids if option_id not in question.only_ids]
    given = [item for item in free if dice.random() < chances[item]]
    while len(given) < question.least:
        more = [item for item in free if item not in given]
        given.append(dice.choices(more, [chances[item] + 0.001 for item in more])[0])
    return given[: question.most]


def _shop(engine: Engine, visit: Visit, now: datetime, dice: random.Random) -> None:
    """View products, add one to the cart, and buy it; or buy an unrelated product days or weeks later."""
    rank = [1.0, 0.55, 0.35, 0.25, 0.2]
    weights = (rank * 4)[: len(visit.products)]
    if visit.products and dice.random() < 0.56:
        visit.clicked = sorted(set(dice.choices(visit.products, weights, k=dice.choice((1, 1, 2)))))
        if dice.random() < 0.45:
            visit.added = visit.clicked[:1]
    if visit.added and dice.random() < 0.4:
        _buy(visit, {visit.added[0]: dice.choice((1, 1, 1, 2))}, dice.expovariate(1 / 0.8), now, dice)
    elif dice.random() < 0.05:
        others = [product.sku for product in engine.catalog.products if product.active]
        _buy(visit, {dice.choice(others): 1}, dice.uniform(1, 29), now, dice)


def _buy(visit: Visit, skus: dict[str, int], after_days: float, now: datetime, dice: random.Random) -> None:
    at = visit.at + timedelta(days=after_days, minutes=3)
    if at > now:
        return
    visit.bought = Bought(at, skus)
    later = at + timedelta(days=dice.uniform(0.2, 9))
    if later < now and (fate := dice.random()) < 0.055:
        if fate < 0.015:
            visit.bought.cancelled_at = later
        else:
            visit.bought.refunded_at = later
