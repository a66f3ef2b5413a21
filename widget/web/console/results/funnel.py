"""The funnel of the results page: steps, drop-off, and conversion rates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from widget.domain.content.pack import Pack
from widget.domain.quiz.condition import ALWAYS
from widget.storage.daily_metrics import ENDED
from widget.web.console.results.charts import share as share_of

Counted = Mapping[tuple[str, str, str], tuple[int, int]]
"""(now, before) by event, question, and SKU."""
ENOUGH = 50
"""How many people must have reached a question before it may be marked as the worst."""


@dataclass(frozen=True, slots=True)
class Headline:
    """A share and its base. ``moved`` is the change in points; None without a previous period."""

    name: str
    share: float | None
    of: str
    moved: float | None = None


@dataclass(slots=True)
class Step:
    """One bar of the funnel. ``left`` is None for the first step and for questions that only some are asked."""

    name: str
    number: int
    strong: bool = False
    question: str = ""
    left: int | None = None
    lost: float = 0.0
    some: bool = False
    worst: bool = False
    y: int = 0


def users(events: Counted, event: str) -> tuple[int, int]:
    """Return (now, before): the page views on which an event happened.

    For clients that report it only by product, the number of the most frequent product is used.
    """
    rows = [numbers for (name, _, sku), numbers in events.items() if name == event and sku]
    now, before = zip(events.get((event, "", ""), (0, 0)), *rows, strict=True)
    return max(now), max(before)


def headlines(events: Counted, completed: tuple[int, int], bought: tuple[int, int], *, against: bool) -> list[Headline]:
    seen, started, clicked = (users(events, name) for name in ("seen", "started", "product_clicked"))
    rows = (
        ("Started", started, seen, "who saw it"),
        ("Completed", completed, started, "who started"),
        ("Clicked a product", clicked, completed, "who completed"),
        ("Bought", bought, completed, "who completed, direct attribution"),
    )
    found = []
    for name, part, whole, who in rows:
        share = share_of(part[0], whole[0]) if whole[0] else None
        moved = share - share_of(part[1], whole[1]) if against and share is not None and whole[1] else None
        found.append(Headline(name, share, f"of {whole[0]:,} {who}", moved))
    return found


def steps_of(
    pack: Pack, events: Counted, sums: Mapping[str, Mapping[str, int]], completed: int, bought: int
) -> list[Step]:
    """Return the steps of the funnel.

    Drop-off is counted only at questions that everyone is asked. People who are led out after giving a warning sign
    have not dropped off.
    """
    steps = [Step("Seen", users(events, "seen")[0], strong=True), Step("Started", 0, strong=True)]
    steps[1].number = users(events, "started")[0]
    _lose(steps[1], steps[0].number)
    there, ended = steps[1].number, sums.get(ENDED, {})
    for question in pack.quiz.questions:
        number = events.get(("answered", question.id, ""), (0, 0))[0]
        step = Step(question.label or question.id, number, question=question.id, some=question.show_if != ALWAYS)
        if not step.some:
            _lose(step, there)
            there = number
        there -= ended.get(question.id, 0)
        steps.append(step)
    _mark_worst(steps)
    last = Step("Completed", completed, strong=True)
    _lose(last, there + sum(ended.values()))
    steps.append(last)
    for name, number in (
        ("Clicked", users(events, "product_clicked")[0]),
        ("Added to cart", users(events, "added_to_cart")[0]),
        ("Bought", bought),
    ):
        step = Step(name, number, strong=True)
        _lose(step, steps[-1].number)
        steps.append(step)
    y = 0
    for at, step in enumerate(steps):
        y += 8 if at and step.strong != steps[at - 1].strong else 0
        step.y, y = y, y + 28
    return steps


def _lose(step: Step, there: int) -> None:
    step.left = max(0, there - step.number)
    step.lost = share_of(step.left, there)


def _mark_worst(steps: list[Step]) -> None:
    """Mark the question with the highest drop-off rate, if enough people reached it."""
    asked = [
        step for step in steps if step.question and not step.some and step.left and step.number + step.left >= ENOUGH
    ]
    if asked:
        max(asked, key=lambda step: step.lost).worst = True
