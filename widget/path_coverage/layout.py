"""The layout of a run: questions in order, clauses and their bits in a state's memory, and columns of all sides.

One side is checked on its own; two sides are compared on the answer sets that exist in both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from widget.domain.quiz.condition import Term
from widget.domain.quiz.questions import MULTI, SINGLE, Option, Question
from widget.path_coverage.items import ADD, FIRST, KEEP, OUT, PRODUCTS, SHOW, Item, Side, boost_total
from widget.path_coverage.ways import Ways, ways_of

Words = NDArray[np.uint64]
WORD = 64


class OrderDiffers(Exception):
    """Raised if the paths of two versions cannot be explored side by side.

    They ask common questions in different orders, or a common question has no common answer.
    """


@dataclass(frozen=True)
class Clause:
    """A clause (terms joined by &) of one item.

    ``last``: the position of the last question it depends on. ``bit``: the memory bit that tells whether it may still
    hold; -1: none.
    """

    item: int
    side: int
    terms: tuple[Term, ...]
    last: int
    bit: int

    def terms_on(self, question: str) -> list[Term]:
        return [term for term in self.terms if term.field == question]


@dataclass(frozen=True)
class Ask:
    """A question of the run.

    ``index``: its position in each side's quiz (None: not in that quiz). ``show_bit``: for each side, the memory bit
    that tells whether it is shown; -1: always shown.
    """

    question: Question
    index: tuple[int | None, ...]
    show_bit: tuple[int, ...]
    ways: Ways
    clauses: tuple[int, ...]


class Layout:
    """The parts of a run that do not depend on a state. Raises OrderDiffers, TooMany.

    ``within``: limits the run to paths on which all these terms hold. ``apart``: terms that distinguish ways of
    answering, in addition to those of the sides. ``sampled``: if a question has too many ways, random ones represent
    all of them.
    """

    def __init__(
        self, sides: Sequence[Side], *, within: Sequence[Term] = (), apart: Sequence[Term] = (), sampled: bool = False
    ) -> None:
        self.within, self.apart = tuple(within), tuple(apart)
        self.sides = tuple(sides)
        self.sampled = sampled
        self.offsets = [sum(len(side.places) for side in sides[:at]) for at in range(len(sides) + 1)]
        self.columns = self.offsets[-1]
        self.items: list[tuple[int, Item]] = [(at, item) for at, side in enumerate(sides) for item in side.items]
        names = merged_order([side.questions for side in sides])
        self.position = {name: at for at, name in enumerate(names)}
        self._lay_out_memory(names)
        self.asks = tuple(self._ask(at, name) for at, name in enumerate(names))
        self.most_paths = 1
        for ask in self.asks:
            if not len(ask.ways):
                raise OrderDiffers  # The versions have no answer in common, so they share no path.
            self.most_paths *= ask.ways.total + 1
        self._number_types()

    def _lay_out_memory(self, names: Sequence[str]) -> None:
        self.clauses: list[Clause] = []
        self.siblings: dict[int, int] = {}
        self.of_columns = [0] * len(self.sides)
        """Bits that matter only for a side's columns: cleared once the side shows nothing any more."""
        bits = 0
        self.born_alive = 0
        for at, (side, item) in enumerate(self.items):
            if item.when.always:
                continue
            mask = 0
            for terms in item.when.clauses:
                spots = {self.position[term.field] for term in terms}
                lasting = len(spots) > 1 or len(item.when.clauses) > 1
                self.clauses.append(Clause(at, side, terms, max(spots), bits if lasting else -1))
                mask |= lasting << bits
                bits += lasting
            self.siblings[at] = mask if len(item.when.clauses) > 1 else 0
            self.born_alive |= mask
            if item.kind in (ADD, OUT, KEEP, FIRST):
                self.of_columns[side] |= mask
        self.show_bits: dict[tuple[int, int], int] = {}
        self.pin_bits: dict[tuple[int, int], int] = {}
        for side, item in self.items:
            if item.kind == SHOW:
                self.show_bits[side, item.index] = bits
            elif item.kind == FIRST:
                self.pin_bits[side, item.index] = bits
                self.of_columns[side] |= 1 << bits
            bits += item.kind in (SHOW, FIRST)
        self.words = max(1, -(-bits // WORD))

    def _ask(self, at: int, name: str) -> Ask:
        homes = [side.rules.pack.quiz.by_id.get(name) for side in self.sides]
        index = tuple(side.questions.index(name) if name in side.questions else None for side in self.sides)
        clauses = tuple(
            place for place, clause in enumerate(self.clauses) if any(term.field == name for term in clause.terms)
        )
        looked_at = [term for place in clauses for term in self.clauses[place].terms_on(name)]
        looked_at += [term for term in (*self.within, *self.apart) if term.field == name]
        terms = tuple(dict.fromkeys(looked_at))
        shows = tuple(-1 if i is None else self.show_bits.get((side, i), -1) for side, i in enumerate(index))
        question = common_question([home for home in homes if home])
        return Ask(question, index, shows, _ways(question, terms, self.sampled), clauses)

    def _number_types(self) -> None:
        far = max(boost_total(side) for side in self.sides)
        small = far < (1 << 13)
        self.score_type: type[np.signedinteger] = np.int16 if small else np.int32
        self.out = -(1 << 14) if small else -(1 << 29)
        """The score of an excluded column; the sum of two such scores still fits the type."""
        self.out_below = self.out // 2
        each = 8 // np.dtype(self.score_type).itemsize
        self.width = max(1, -(-self.columns // each)) * each
        """Columns and padding, so that the scores of a state fill whole 64-bit words, which are compared and hashed."""
        self.count_type = np.dtype(np.int64) if self.most_paths < 1 << 62 else np.dtype(object)

    def word_mask(self, bits: int) -> Words:
        full = (1 << WORD) - 1
        return np.array([bits >> (WORD * at) & full for at in range(self.words)], dtype=np.uint64)

    def side_columns(self, side: int) -> slice:
        return slice(self.offsets[side], self.offsets[side + 1])

    def dead_by_triage(self, side: int) -> bool:
        """Return whether a tips_only row leaves this side nothing to show: it excludes products, but not tips."""
        return self.sides[side].group == PRODUCTS


@lru_cache(maxsize=512)
def _ways(question: Question, terms: tuple[Term, ...], sampled: bool) -> Ways:
    return ways_of(question, terms, sampled=sampled)


def merged_order(orders: Sequence[Sequence[str]]) -> list[str]:
    """Return one order that is consistent with each of the given orders. Raises OrderDiffers."""
    rest = [list(order) for order in orders]
    merged: list[str] = []
    while any(rest):
        for order in rest:
            if order and all(order[0] not in other[1:] for other in rest):
                name = order[0]
                break
        else:
            raise OrderDiffers
        merged.append(name)
        rest = [[item for item in order if item != name] for order in rest]
    return merged


def common_question(homes: Sequence[Question]) -> Question:
    """Return the question, limited to the answers that all versions of it accept."""
    first = homes[0]
    if all(_space(home) == _space(first) for home in homes):
        return first
    ids = [option_id for option_id in first.option_ids if all(option_id in home.option_ids for home in homes)]
    alone = frozenset().union(*(home.only_ids for home in homes))
    options = tuple(replace(_option(first, item), only=item in alone) for item in ids)
    kind = MULTI if all(home.kind == MULTI for home in homes) else SINGLE
    return replace(
        first,
        kind=kind,
        options=options,
        start=None,
        end=None,
        min=max(home.least for home in homes) if kind == MULTI else None,
        max=min(home.most for home in homes) if kind == MULTI else None,
        optional=all(home.optional for home in homes),
    )


def _space(question: Question) -> tuple[object, ...]:
    return question.kind, question.option_ids, question.only_ids, question.least, question.most, question.optional


def _option(question: Question, option: str) -> Option:
    return next((item for item in question.options if item.id == option), Option(option, option))
