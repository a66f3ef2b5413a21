"""Sides: one version of a pack, compiled to rules on columns, for products or for tips.

Columns are the products that could be shown at all (sold, certified, in stock or demoted), or the tips. Control
conditions (show_if, triage) belong to both groups; a mapping row belongs to the group of its targets.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from widget.domain.catalog.target import names_tips
from widget.domain.content.pack import BOOST, DEMOTE, ENDS_EARLY, EXCLUDE, PIN, REQUIRE, TIPS_ONLY
from widget.domain.engine.catalog import Catalog
from widget.domain.engine.rules import Rules
from widget.domain.quiz.condition import Condition

SHOW, END, ONLY_TIPS, ADD, OUT, KEEP, FIRST = range(7)
"""The effect of an item whose condition holds: show a question, end the quiz, show tips only, add to scores, exclude
columns, exclude all other columns, or pin columns."""

PRODUCTS, TIPS = "products", "tips"


@dataclass(frozen=True)
class Item:
    """A condition and its effect.

    ``index``: the number of the question, triage row, exclusion, pin, or mapping row it represents, depending on its
    kind. ``row``: the number of the mapping row, or -1.
    """

    kind: int
    when: Condition
    index: int
    columns: tuple[int, ...] = ()
    weight: int = 0
    row: int = -1


@dataclass(frozen=True)
class Side:
    """One version of one pack for one group."""

    rules: Rules
    catalog: Catalog
    group: str
    places: tuple[int, ...]
    items: tuple[Item, ...]
    pins: tuple[tuple[int, ...], ...] = field(default=())
    """For each pin row, in row order: the columns it pins."""

    @property
    def questions(self) -> tuple[str, ...]:
        return tuple(question.id for question in self.rules.pack.quiz.questions)

    @property
    def setting(self) -> tuple[Any, ...]:
        """Everything besides its items that determines its results."""
        pack = self.rules.pack
        triage = tuple((row.id, row.when, row.outcome) for row in pack.triage)
        return self.pins, self.places, self.catalog.products, pack.quiz.questions, pack.result, triage

    @property
    def made_of(self) -> tuple[Any, ...]:
        """Everything that determines its results: if it is equal, earlier results can be reused."""
        return self.items, *self.setting


def side_of(rules: Rules, catalog: Catalog, group: str) -> Side:
    """Compile a version for one group."""
    if group == PRODUCTS:
        shown = catalog.sellable & (-1 if rules.pack.result.stock == DEMOTE else catalog.in_stock)
        places = tuple(place for place in range(len(rules.products)) if shown >> place & 1)
    else:
        places = tuple(range(len(rules.products), rules.entity_count))
    pins = tuple(_pins(rules, catalog, places)) if group == PRODUCTS else ()
    steering = [*_shows(rules), *_triage(rules)]
    items = (*steering, *_exclusions(rules, places, group), *_mappings(rules, places, group))
    return Side(rules, catalog, group, places, items, pins)


def _columns(entities: int, places: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(column for column, place in enumerate(places) if entities >> place & 1)


def _shows(rules: Rules) -> Iterator[Item]:
    for index, question in enumerate(rules.pack.quiz.questions):
        if not question.show_if.always:
            yield Item(SHOW, question.show_if, index)


def _triage(rules: Rules) -> Iterator[Item]:
    for index, row in enumerate(rules.pack.triage):
        if row.outcome in ENDS_EARLY:
            yield Item(END, row.when, index)
        elif row.outcome == TIPS_ONLY:
            yield Item(ONLY_TIPS, row.when, index)


def _exclusions(rules: Rules, places: tuple[int, ...], group: str) -> Iterator[Item]:
    for index, row in enumerate(rules.pack.exclusions):
        if names_tips(row.exclude) == (group == TIPS):
            columns = _columns(rules.excluded_by(row), places)
            if columns:
                yield Item(OUT, row.when, index, columns)


def _mappings(rules: Rules, places: tuple[int, ...], group: str) -> Iterator[Item]:
    pin = 0
    for index, row in enumerate(rules.pack.mappings):
        if names_tips(row.target) != (group == TIPS):
            continue
        columns = _columns(rules.entities(row.target), places)
        if row.effect == BOOST:
            yield Item(ADD, row.when, index, columns, row.weight, index)
        elif row.effect == EXCLUDE:
            yield Item(OUT, row.when, index, columns, row=index)
        elif row.effect == REQUIRE:
            others = tuple(column for column in range(len(places)) if column not in columns)
            yield Item(KEEP, row.when, index, others, row=index)
        elif row.effect == PIN:
            yield Item(FIRST, row.when, pin, columns, row=index)
            pin += 1


def _pins(rules: Rules, catalog: Catalog, places: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for row in rules.pack.mappings:
        if row.effect == PIN:
            yield _columns(rules.entities(row.target) & catalog.in_stock, places)


def boost_total(side: Side) -> int:
    """Return an upper bound on the absolute score of any column."""
    totals = [0] * len(side.places)
    for item in side.items:
        for column in item.columns if item.kind == ADD else ():
            totals[column] += abs(item.weight)
    return max(totals, default=0)
