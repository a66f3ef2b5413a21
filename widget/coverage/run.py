"""A run: all classes of a group with the kind of result each comes to, and answers that lead there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from widget.coverage.exact import Column, equal_rows, sum_by
from widget.coverage.frame import Frame
from widget.coverage.items import Side
from widget.coverage.layers import MOST_CLASSES, Layer, Progress, States, Walked, blocks, walk
from widget.coverage.ranking import NOBODY, Ranked, Ranking
from widget.coverage.table import HIDDEN, NO_ROW
from widget.domain.condition import Term

Answers = dict[str, list[str]]


class Kind(NamedTuple):
    """What one side shows. ``ended`` and ``triage``: rows of safety.yaml (None: none); ``shown``: places of the rules.

    ``slots``: the slot of each shown one, -1 for fallback; ``tied``: which of them only the SKU or id decided.
    """

    ended: int | None
    triage: int | None
    shown: tuple[int, ...]
    slots: tuple[int, ...]
    tied: tuple[bool, ...]

    @property
    def same(self) -> tuple[Any, ...]:
        """What two results must share to be the same to a shopper: outcome, advice, what is shown in which order."""
        return self.ended, self.triage, self.shown

    @property
    def fallback(self) -> bool:
        return bool(self.slots) and self.slots[0] == NOBODY


class KindBook:
    """The kinds of result met so far, numbered as they come."""

    def __init__(self, rankings: Sequence[Ranking]) -> None:
        self.rankings = rankings
        self.kinds: list[tuple[Kind, ...]] = []
        self._known: dict[bytes, int] = {}

    def numbers(self, states: States) -> NDArray[np.int32]:
        """For each state, the number of its kind."""
        ranked = [ranking.rank(states) for ranking in self.rankings]
        columns: list[Column] = [*states.triage, *states.ended]
        for each in ranked:
            columns += [*each.winners, *each.tied, each.fallback]
        packed = _packed(columns)
        first, which = equal_rows(packed)
        keys = _keys(packed, first)
        fresh = [place for place, key in enumerate(keys) if key not in self._known]
        self._note([keys[place] for place in fresh], states, ranked, first[fresh])
        numbers = np.fromiter(map(self._known.__getitem__, keys), dtype=np.int32, count=len(keys))
        return numbers[which]

    def _note(self, keys: list[bytes], states: States, ranked: list[Ranked], columns: Column) -> None:
        """Results that were not met before, in plain Python."""
        sides = [_kinds(self.rankings[at].side, at, states, each, columns) for at, each in enumerate(ranked)]
        start = len(self.kinds)
        self.kinds += zip(*sides, strict=True)
        self._known.update(zip(keys, range(start, len(self.kinds)), strict=True))


class Run:
    """All classes of one group, for one version or two side by side.

    ``within``: only those on which these terms all hold.
    Raises TooManyClasses, TooMany, OrderDiffers.
    """

    def __init__(
        self,
        sides: Sequence[Side],
        *,
        most: int = MOST_CLASSES,
        within: Sequence[Term] = (),
        progress: Progress | None = None,
    ) -> None:
        self.frame = Frame(sides, within=within)
        self.walked: Walked = walk(self.frame, most=most, progress=progress)

    @cached_property
    def _told(self) -> tuple[list[tuple[Kind, ...]], NDArray[np.int32]]:
        book = KindBook(self._rankings)
        parts = [book.numbers(states) for _, states in blocks(self.walked)]
        return book.kinds, np.concatenate(parts) if parts else np.zeros(0, dtype=np.int32)

    @property
    def _rankings(self) -> list[Ranking]:
        return [Ranking(self.frame, at) for at in range(len(self.frame.sides))]

    @property
    def kinds(self) -> list[tuple[Kind, ...]]:
        """The kinds of result, what each side shows."""
        return self._told[0]

    @property
    def kind_of(self) -> NDArray[np.int32]:
        """For each class, the number of its kind."""
        return self._told[1]

    @cached_property
    def totals(self) -> list[int]:
        """For each kind, on how many paths it is the result."""
        totals = sum_by(self.kind_of, self.walked.counts, len(self.kinds))
        return [int(total * self.walked.factor) for total in totals]

    def first_difference(self) -> Answers | None:
        """Answers on which two sides with the same columns show different things; None when there are none.

        Looks no further than to the first, and at kinds only where the picks differ at all.
        """
        rankings = self._rankings
        book = KindBook(rankings)
        for at, states in blocks(self.walked):
            one, other = (ranking.rank(states).winners for ranking in rankings)
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
        """How many answer sets there are: those that end early, and all others."""
        return sum(self.walked.ended) + sum(self.totals)

    @cached_property
    def first_class(self) -> list[int]:
        """For each kind, the first class of it."""
        first = np.full(len(self.kinds), -1, dtype=np.int64)
        at = np.arange(len(self.kind_of) - 1, -1, -1)
        first[self.kind_of[at]] = at
        return [int(each) for each in first]

    # Ways back ---------------------------------------------------------------------------------------

    def example(self, number: int) -> Answers:
        """Answers of a class (by its place among the last states), as for ``recommend --answers``."""
        layers = self.walked.layers
        if not layers:
            return self.answers({})
        return self._back(len(layers) - 1, int(layers[-1].made_by[number]))

    def example_of_kind(self, kind: int) -> Answers:
        return self.example(self.first_class[kind])

    def example_of_end(self, end: int) -> Answers:
        return self._back(*self.walked.end_edge[end])

    def _back(self, at: int, edge: int) -> Answers:
        """The answers up to and with an edge, and any answer to what comes later if the quiz goes on."""
        return self.answers(self.ways_back(at, edge), before=self._after(at, edge))

    def _after(self, at: int, edge: int) -> int | None:
        layer = self.walked.layers[at]
        return layer.at if layer.child[edge] < 0 else None

    def ways_back(self, at: int, edge: int) -> dict[int, int]:
        """question to way, along the edges that lead to this one."""
        ways: dict[int, int] = {}
        while True:
            layer: Layer = self.walked.layers[at]
            ways[layer.at] = int(layer.table.way[layer.entry[edge]])
            if at == 0:
                return ways
            edge = int(self.walked.layers[at - 1].made_by[layer.parent[edge]])
            at -= 1

    def answers(self, ways: dict[int, int], before: int | None = None) -> Answers:
        """The ways as answers; a question without one gets any answer, up to the question that ended the quiz."""
        answers: Answers = {}
        for at, ask in enumerate(self.frame.asks):
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
    """What one side shows in each of these columns."""
    winners, fallback = ranked.winners[:, columns], ranked.fallback[columns]
    full = (winners != NOBODY).all(axis=0) & ~fallback
    picks = np.array([*side.places, NOBODY])[winners].T.tolist()  # NOBODY is -1: the last one.
    seen: dict[tuple[bool, ...], tuple[bool, ...]] = {}
    ties = [seen.setdefault(each, each) for each in map(tuple, ranked.tied[:, columns].T.tolist())]
    ended = [None if row == NO_ROW else row for row in states.ended[at, columns].tolist()]
    triage = [None if row == NO_ROW else row for row in states.triage[at, columns].tolist()]
    for end, row, picked, tied, whole, listed in zip(
        ended, triage, picks, ties, full.tolist(), fallback.tolist(), strict=True
    ):
        if whole:
            yield Kind(end, row, tuple(picked), ranked.slots, tied)
            continue
        rows = [row for row, each in enumerate(picked) if each != NOBODY]
        yield Kind(
            end,
            row,
            tuple([picked[row] for row in rows]),
            (NOBODY,) * len(rows) if listed else tuple([ranked.slots[row] for row in rows]),
            (False,) * len(rows) if listed else tuple([tied[row] for row in rows]),
        )


def _keys(words: Sequence[NDArray[np.uint64]], rows: Column) -> list[bytes]:
    """These rows, each as bytes: what a dictionary takes at the least cost."""
    side_by_side = np.column_stack([word[rows] for word in words])
    return side_by_side.view(f"V{side_by_side.shape[1] * 8}").reshape(-1).tolist()


def _packed(columns: Sequence[Column]) -> list[NDArray[np.uint64]]:
    """Small columns side by side in few wide ones: 16 bits each, flags one."""
    words: list[NDArray[np.uint64]] = []
    used = 64
    for column in columns:
        size = 1 if column.dtype == bool else 16
        if used + size > 64:
            words.append(np.zeros(len(column), dtype=np.uint64))
            used = 0
        value = column if size == 1 else column.view(np.uint16)
        words[-1] |= value.astype(np.uint64) << np.uint64(used)
        used += size
    return words
