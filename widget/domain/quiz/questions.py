"""The quiz: its questions and options as the author wrote them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

from widget.domain.quiz.condition import ALWAYS, Condition

SINGLE, MULTI, SCALE = "single", "multi", "scale"
QUESTION_KINDS = (SINGLE, MULTI, SCALE)


@dataclass(frozen=True, slots=True)
class Option:
    """An answer option.

    ``only``: it cannot be combined with others ("none of these"). ``short``: text for chips and tables.
    ``uses_per_week``: how often someone who chooses it uses a product, for the email sent before the product runs out.
    """

    id: str
    text: str
    help: str | None = None
    image: str | None = None
    only: bool = False
    short: str | None = None
    uses_per_week: Decimal | None = None


@dataclass(frozen=True)
class Question:
    """One question. The options of a scale are the integers ``start``..``end``."""

    id: str
    kind: str
    text: str
    help: str | None = None
    label: str | None = None
    note: str | None = None
    optional: bool = False
    min: int | None = None
    max: int | None = None
    start: int | None = None
    end: int | None = None
    low: str | None = None
    high: str | None = None
    point_labels: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    show_if: Condition = ALWAYS

    @cached_property
    def option_ids(self) -> tuple[str, ...]:
        if self.kind == SCALE and self.start is not None and self.end is not None:
            return tuple(str(point) for point in range(self.start, self.end + 1))
        return tuple(option.id for option in self.options)

    @cached_property
    def only_ids(self) -> frozenset[str]:
        return frozenset(option.id for option in self.options if option.only)

    @property
    def least(self) -> int:
        return self.min or 1

    @property
    def most(self) -> int:
        if self.kind != MULTI:
            return 1
        return self.max or len(self.option_ids)


@dataclass(frozen=True, slots=True)
class Intro:
    """The text shown before the first question."""

    eyebrow: str | None = None
    title: str | None = None
    text: str | None = None
    button: str | None = None
    note: str | None = None
    image: str | None = None


@dataclass(frozen=True)
class Quiz:
    questions: tuple[Question, ...]
    intro: Intro = Intro()

    @cached_property
    def by_id(self) -> dict[str, Question]:
        return {question.id: question for question in self.questions}
