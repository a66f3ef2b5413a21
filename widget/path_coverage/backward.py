"""The backward pass, from the last states to the first question.

It counts the paths on which each row holds, and finds answers that change nothing. Two states are equivalent if each
way of answering leads to equivalent states, down to the same results. This is the reduction of decision diagrams
(Bryant 1986), with a 64-bit hash in place of the node.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from widget.domain.quiz.questions import MULTI, SCALE
from widget.path_coverage.exact import Column, mixed, odd_numbers, sum_by
from widget.path_coverage.explore import answers_through
from widget.path_coverage.items import PRODUCTS
from widget.path_coverage.layers import Layer
from widget.path_coverage.run import Answers, Kind, Run

Hashes = NDArray[np.uint64]


def padded(values: Column) -> Column:
    """Append a zero, so that index 0 is valid even if every path has ended."""
    return np.append(values, values.dtype.type(0)) if values.dtype != object else np.append(values, 0)


class Backward:
    """The backward pass over a run of one side."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.layout, self.walked = run.layout, run.walked
        self.side = self.layout.sides[0]

    # Rows --------------------------------------------------------------------------------------------

    def in_play(self, kind: Kind) -> bool:
        """Return whether mapping rows have an effect: no products are shown on tips-only paths."""
        return kind.triage is None or self.side.group != PRODUCTS

    @cached_property
    def playing(self) -> int:
        """The number of paths on which rows of this group have an effect."""
        kinds = zip(self.run.kinds, self.run.totals, strict=True)
        return sum(total for kind, total in kinds if self.in_play(kind[0]))

    @cached_property
    def touched(self) -> list[int]:
        """For each item of the side, the number of those paths on which it holds."""
        totals = [self.playing if item.when.always else 0 for _, item in self.layout.items]
        for layer, onward in zip(self.walked.layers, self.onward, strict=True):
            table = layer.table
            through = layer.count[layer.parent] * onward
            by_entry = sum_by(layer.entry, through, len(table.counts))
            raw_counts = np.array(table.raw_counts, dtype=self.layout.count_type)
            paths = np.where(table.raw >= 0, by_entry[table.raw], 0) * raw_counts
            flat = table.matched.reshape(table.raw.size, len(table.items))
            for place, item in enumerate(table.items):
                totals[item] += int(paths.reshape(-1)[flat[:, place]].sum())
        return totals

    @cached_property
    def onward(self) -> list[Column]:
        """For each edge of each layer, the number of continuations on which rows are in play."""
        found = []
        worth = np.array([int(self.in_play(kind[0])) for kind in self.run.kinds], dtype=self.layout.count_type)
        after: Column = worth[self.run.kind_of] * self.walked.factor
        for layer in reversed(self.walked.layers):
            onward = np.where(layer.child >= 0, padded(after)[np.maximum(layer.child, 0)], 0)
            found.append(onward)
            per_state = sum_by(layer.parent, onward * layer.table.counts[layer.entry], len(layer.pattern))
            after = per_state * layer.many
        return found[::-1]

    @cached_property
    def leads_on(self) -> list[NDArray[np.bool_]]:
        """For each edge of each layer, whether there is a continuation on which rows are in play."""
        return [item > 0 for item in self.onward]

    def answers_through(self, item: int, *, most: int, seed: int = 0) -> Iterator[Answers]:
        """Yield answer sets on which the item holds and rows are in play, up to ``most`` per layer."""
        return answers_through(self, item, most=most, seed=seed)

    # Answers -----------------------------------------------------------------------------------------

    @cached_property
    def _values(self) -> list[Hashes]:
        """For each layer, a hash of the state that each edge leads to; equivalent states have equal hashes."""
        names: dict[tuple[Any, ...], int] = {}
        numbers = [names.setdefault(kind[0].same, len(names)) for kind in self.run.kinds]
        ends = [names.setdefault((row, None, ()), len(names)) for (row,) in self.walked.ends]
        marks = mixed(odd_numbers(max(1, len(names)), seed=7))
        after: Hashes = marks[np.array(numbers, dtype=np.int64)][self.run.kind_of]
        over: Hashes = marks[np.array([*ends, 0], dtype=np.int64)]
        values = []
        for layer in reversed(self.walked.layers):
            led = np.where(
                layer.child >= 0, padded(after)[np.maximum(layer.child, 0)], over[np.maximum(-1 - layer.child, 0)]
            )
            values.append(led)
            after = self._worth(layer, led)
        return values[::-1]

    def _worth(self, layer: Layer, led: Hashes) -> Hashes:
        table, starts = layer.table, layer.first_edge[:-1]
        weights = np.zeros(len(table.counts), dtype=np.uint64)
        odd = odd_numbers(table.raw.shape[1], seed=11)
        there = table.raw >= 0
        np.add.at(weights, table.raw[there], np.broadcast_to(odd, table.raw.shape)[there])
        total = np.add.reduceat(led * weights[layer.entry], starts)
        lowest, highest = np.minimum.reduceat(led, starts), np.maximum.reduceat(led, starts)
        return np.where(lowest == highest, lowest, mixed(total))

    @cached_property
    def idle_questions(self) -> set[str]:
        """The questions whose answer never changes the result, for any answers to the other questions."""
        idle = {ask.question.id for ask in self.layout.asks}
        idle -= {self.layout.asks[item.at].question.id for item in self.walked.layers}
        for layer, led in zip(self.walked.layers, self._values, strict=True):
            starts = layer.first_edge[:-1]
            if (np.minimum.reduceat(led, starts) == np.maximum.reduceat(led, starts)).all():
                idle.add(self.layout.asks[layer.at].question.id)
        return idle

    def option_marks(self) -> dict[str, dict[str, int]]:
        """Return a number for each option of each question, except scales.

        For a single choice, options with equal numbers lead to the same results. For a multiple choice, the number is 0
        if adding the option never makes a difference.
        """
        marks: dict[str, dict[str, int]] = {}
        layers = {self.layout.asks[layer.at].question.id: at for at, layer in enumerate(self.walked.layers)}
        for ask in self.layout.asks:
            question = ask.question
            if question.kind == SCALE:
                continue
            columns = self._columns(layers.get(question.id), len(ask.ways))
            if question.kind == MULTI and question.most > 1:
                pairs = ask.ways.additions
                marks[question.id] = {
                    option: int(any(columns[one] != columns[other] for one, other in steps))
                    for option, steps in pairs.items()
                }
            else:
                marks[question.id] = {option: columns[way] for option, way in ask.ways.alone.items()}
        return marks

    def _columns(self, at: int | None, ways: int) -> list[int]:
        """Return for each way a hash of what it leads to, over all states in which the question is asked."""
        if at is None:
            return [0] * ways
        layer, led = self.walked.layers[at], self._values[at]
        table = layer.table
        raw = table.raw[:, :ways]
        asked = np.asarray((raw >= 0).all(axis=1))[layer.pattern]
        states = np.flatnonzero(asked)
        odd = odd_numbers(len(states), seed=13)
        place = layer.first_edge[states] - table.start[layer.pattern[states]]
        entries = raw[layer.pattern[states]]
        return [int((led[place + entries[:, way]] * odd).sum(dtype=np.uint64)) for way in range(ways)]
