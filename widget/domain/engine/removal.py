"""Evaluation of the same answers without one mapping row, to tell whether the row makes a difference."""

from __future__ import annotations

from dataclasses import replace

from widget.domain.content.pack import BOOST, PRODUCTS
from widget.domain.engine.bits import positions
from widget.domain.engine.evaluation import Evaluation, decided


def without_row(found: Evaluation, index: int) -> Evaluation:
    """Return the evaluation as it would be without the mapping row at this index of the pack."""
    rules = found.rules
    if not found.scores:
        return found  # The quiz ended early, so mapping rows have no effect.
    less = replace(found, outcome=found.triage.outcome if found.triage else PRODUCTS, shown=(), tips=())
    if rules.pack.mappings[index].effect == BOOST:
        place = next(at for at, (row, _) in enumerate(rules.boosts.rows) if row == index)
        if not found.boosted[place]:
            return found
        scores = list(found.scores)
        for entity in positions(rules.names(place)):
            scores[entity] -= rules.boosts.rows[place][1].weight
        less.scores = scores
    else:
        less.picks = tuple(pick for pick in found.picks if pick.index != index)
    return decided(less)


def same_result(one: Evaluation, other: Evaluation) -> bool:
    """Return whether two evaluations of one quiz show the same outcome, products, and tips, in the same order."""
    return (
        one.outcome == other.outcome
        and [item.place for item in one.shown] == [item.place for item in other.shown]
        and one.tips == other.tips
    )
