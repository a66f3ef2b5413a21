"""A run: all classes of a group, the kind of result of each, and example answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from widget.domain.quiz.condition import Term
from widget.path_coverage.alike import touched_classes
from widget.path_coverage.exact import Column, distinct, sum_by
from widget.path_coverage.items import Side
from widget.path_coverage.layers import MAX_CLASSES, Layer, Progress, States, Walked, blocks, made_states, walk
from widget.path_coverage.layout import Layout
from widget.path_coverage.ranking import NOBODY, Ranked, Ranking
from widget.path_coverage.table import HIDDEN, NO_ROW

Answers = dict[str, list[str]]


class Kind(NamedTuple):
    """A kind of result of one side.

    ``ended`` and ``triage``: triage row numbers in safety.yaml (None: none). ``shown``: the entities shown, by their
    index in the rules. ``slots``: the slot of each, -1 for fallback. ``tied``: whether only the SKU or id decided it.
    """

    ended: int | None
    triage: int | None
    shown: tuple[int, ...]
    slots: tuple[int, ...]
    tied: tuple[bool, ...]

    @property
    def same(self) -> tuple[Any, ...]:
        """What makes two results the same to a shopper: outcome, advice, and what is shown in which order."""
        return self.ended, self.triage, self.shown

    @property
    def fallback(self) -> bool:
        return bool(self.slots) and self.slots[0] == NOBODY


class _Numbers(dict[Any, int]):
    """Numbers for keys, assigned in the order of first use."""

    def __missing__(self, key: Any) -> int:
        number = self[key] = len(self)
        return number


class KindBook:
    """The kinds of result found so far, numbered in the order of discovery."""

    def __init__(self, rankings: Sequence[Ranking]) -> None:
        self.rankings = rankings
        self.kinds: list[tuple[Kind, ...]] = []
        self._known = _Numbers()

    def copy(self, rankings: Sequence[Ranking]) -> KindBook:
        """Return a copy to continue with, for rankings that pick from the same columns."""
        book = KindBook(rankings)
        book.kinds, book._known = self.kinds[:], _Numbers(self._known)
        return book

    def keep(self, numbers: NDArray[np.int32]) -> NDArray[np.int32]:
        """Drop all kinds that are not in ``numbers``; return ``numbers`` renumbered."""
        there = np.bincount(numbers, minlength=len(self.kinds)) > 0
        place = (np.cumsum(there) - 1).astype(np.int32)
        self.kinds = list(compress(self.kinds, there))
        self._known = _Numbers({key: int(place[at]) for key, at in self._known.items() if there[at]})
        return place[numbers]

    def numbers(self, states: States) -> NDArray[np.int32]:
        """Return for each state the number of its kind."""
        ranked = [ranking.rank(states) for ranking in self.rankings]
        met = len(self.kinds)
        keys = self._keys(states, ranked)
        first, which = distinct(keys)
        numbers = np.array([self._known[key] for key in keys[first].tolist()], dtype=np.int32)
        fresh = first[numbers >= met]
        if len(fresh):
            sides = [_kinds(self.rankings[at].side, at, states, item, fresh) for at, item in enumerate(ranked)]
            self.kinds += zip(*sides, strict=True)
        return numbers[which]

    def _keys(self, states: States, ranked: list[Ranked]) -> NDArray[Any]:
        """Return for each state a key that determines its kind: uint64, or bytes (dtype V) if 64 bits are too few."""
        columns: list[tuple[Column, int]] = []
        for at, (ranking, picks) in enumerate(zip(self.rankings, ranked, strict=True)):
            rows = len(ranking.side.rules.pack.triage)
            steering = (states.triage[at], states.ended[at])
            columns += [(np.minimum(item, rows), rows.bit_length()) for item in steering]
            columns += [(winners + 1, ranking.count.bit_length()) for winners in picks.winners]
            columns += [(flags, 1) for flags in (*picks.tied, picks.fallback)]
        words = _packed(columns, len(states.triage[0]))
        if len(words) == 1:
            return words[0]
        side_by_side = np.column_stack(words)
        return side_by_side.view(f"V{side_by_side.shape[1] * 8}").reshape(-1)


class Run:
    """All classes of one group, for one version or two side by side.

    ``within``: limits the run to classes on which all these terms hold. ``before``: the run of an earlier state of the
    same version; results that an edit did not affect are reused from it.
    Raises TooManyClasses, TooMany, OrderDiffers.
    """

    def __init__(
        self,
        sides: Sequence[Side],
        *,
        most: int = MAX_CLASSES,
        within: Sequence[Term] = (),
        progress: Progress | None = None,
        before: Run | None = None,
    ) -> None:
        self.layout = Layout(sides, within=within)
        self.walked: Walked = walk(self.layout, most=most, progress=progress)
        self._taken = self._taken_over(before) if before else None

    @cached_property
    def _classified(self) -> tuple[KindBook, NDArray[np.int32]]:
        if self._taken:
            return self._taken
        book = KindBook(self.rankings)
        parts = [book.numbers(states) for _, states in blocks(self.walked)]
        return book, np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)

    def _taken_over(self, before: Run) -> tuple[KindBook, NDArray[np.int32]] | None:
        touched = touched_classes(before.walked, self.walked)
        if touched is None:
            return None
        book = before._classified[0].copy(self.rankings)
        numbers = before.kind_of.copy()
        places = np.flatnonzero(touched)
        for at, states in blocks(self.walked, places):
            numbers[places[at : at + len(states.triage[0])]] = book.numbers(states)
        return book, book.keep(numbers)

    @cached_property
    def rankings(self) -> list[Ranking]:
        return [Ranking(self.layout, at) for at in range(len(self.layout.sides))]

    @property
    def kinds(self) -> list[tuple[Kind, ...]]:
        """The kinds of result, one per side in each tuple."""
        return self._classified[0].kinds

    @property
    def kind_of(self) -> NDArray[np.int32]:
        """For each class, the number of its kind."""
        return self._classified[1]

    @cached_property
    def totals(self) -> list[int]:
        """For each kind, the number of paths with that result."""
        totals = sum_by(self.kind_of, self.walked.counts, len(self.kinds))
        return [int(total * self.walked.factor) for total in totals]

    def first_difference(self) -> Answers | None:
        """Return answers for which two sides with the same columns show different results; None if there are none.

        The search stops at the first difference, and computes kinds only where triage, ends, or picks differ.
        """
        book = KindBook(self.rankings)
        for at, states in blocks(self.walked):
            one, other = (ranking.rank(states).winners for ranking in self.rankings)
            alike = np.array_equal(*states.triage) and np.array_equal(*states.ended) and np.array_equal(one, other)
            met, numbers = len(book.kinds), None if alike else book.numbers(states)
            for number, (first, second) in enumerate(book.kinds[met:], start=met):
                if first.same != second.same:
                    return self.example(at + int(np.argmax(numbers == number)))
        return None

    @property
    def classes(self) -> int:
        return self.walked.classes

    @cached_property
    def paths(self) -> int:
        """The total number of answer sets, including those that end early."""
        return sum(self.walked.ended) + sum(self.totals)

    @cached_property
    def first_class(self) -> list[int]:
        """For each kind, its first class."""
        first = np.full(len(self.kinds), -1, dtype=np.int64)
        at = np.arange(len(self.kind_of) - 1, -1, -1)
        first[self.kind_of[at]] = at
        return [int(item) for item in first]

    def states(self, classes: Column) -> States:
        """Return the last states of these classes, in their order, without counts. Requires at least one layer."""
        layers = self.walked.layers
        return made_states(self.layout, self.walked.before, layers[-1], layers[-1].made_by[classes])

    # Examples ----------------------------------------------------------------------------------------

    def example(self, number: int) -> Answers:
        """Return answers of a class (by its position among the last states), as for ``recommend --answers``."""
        layers = self.walked.layers
        if not layers:
            return self.answers({})
        return self._back(len(layers) - 1, int(layers[-1].made_by[number]))

    def example_of_kind(self, kind: int) -> Answers:
        return self.example(self.first_class[kind])

    def example_of_end(self, end: int) -> Answers:
        return self._back(*self.walked.end_edge[end])

    def _back(self, at: int, edge: int) -> Answers:
        """Return the answers up to and including an edge, and arbitrary later answers if the quiz continues."""
        return self.answers(self.ways_back(at, edge), before=self._after(at, edge))

    def _after(self, at: int, edge: int) -> int | None:
        layer = self.walked.layers[at]
        return layer.at if layer.child[edge] < 0 else None

    def ways_back(self, at: int, edge: int) -> dict[int, int]:
        """Return question positions and ways along the edges that lead to this edge, including its own."""
        ways: dict[int, int] = {}
        while True:
            layer: Layer = self.walked.layers[at]
            ways[layer.at] = int(layer.table.way[layer.entry[edge]])
            if at == 0:
                return ways
            edge = int(self.walked.layers[at - 1].made_by[layer.parent[edge]])
            at -= 1

    def answers(self, ways: dict[int, int], before: int | None = None) -> Answers:
        """Convert ways to answers.

        A question without a way gets an arbitrary answer. ``before``: the position of the question that ended the quiz,
        if it ended early.
        """
        answers: Answers = {}
        for at, ask in enumerate(self.layout.asks):
            if before is not None and at > before:
                break
            way = ways.get(at, 0)
            if way == HIDDEN or way >= len(ask.ways):
                continue
            given = ask.ways.answer(way)
            if given:
                answers[ask.question.id] = given
        return answers


def _kinds(side: Side, at: int, states: States, ranked: Ranked, columns: Column) -> Iterator[Kind]:
    """Yield what one side shows in each of these columns."""
    winners, fallback = ranked.winners[:, columns], ranked.fallback[columns]
    full = (winners != NOBODY).all(axis=0) & ~fallback
    picks = np.array([*side.places, NOBODY])[winners].T.tolist()  # NOBODY is -1, so it indexes the last element.
    seen: dict[tuple[bool, ...], tuple[bool, ...]] = {}
    ties = [seen.setdefault(item, item) for item in map(tuple, ranked.tied[:, columns].T.tolist())]
    ended = [None if row == NO_ROW else row for row in states.ended[at, columns].tolist()]
    triage = [None if row == NO_ROW else row for row in states.triage[at, columns].tolist()]
    for end, row, picked, tied, whole, listed in zip(
        ended, triage, picks, ties, full.tolist(), fallback.tolist(), strict=True
    ):
        if whole:
            yield Kind(end, row, tuple(picked), ranked.slots, tied)
            continue
        rows = [row for row, item in enumerate(picked) if item != NOBODY]
        yield Kind(
            end,
            row,
            tuple([picked[row] for row in rows]),
            (NOBODY,) * len(rows) if listed else tuple([ranked.slots[row] for row in rows]),
            (False,) * len(rows) if listed else tuple([tied[row] for row in rows]),
        )


def _packed(columns: Sequence[tuple[Column, int]], size: int) -> list[NDArray[np.uint64]]:
    """Pack columns of integers (0 or more), given with the bits each needs (at most 64), into 64-bit words."""
    words = [np.zeros(size, dtype=np.uint64)]
    used = 0
    for column, bits in columns:
        if used + bits > 64:
            words.append(np.zeros(size, dtype=np.uint64))
            used = 0
        if bits:
            words[-1] |= column.astype(np.uint64) << np.uint64(used)
        used += bits
    return words
