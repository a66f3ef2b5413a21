"""Uniformly sampled answer paths, for quizzes with too many classes to explore.

The quiz alone (what is asked, where it ends) is small enough to be explored exactly. From it, the number of
continuations at each step is known, so that whole paths can be sampled independently and uniformly. The results of all
sampled paths are then computed at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from widget.domain.quiz.condition import Term
from widget.path_coverage.backward import padded
from widget.path_coverage.exact import sum_by
from widget.path_coverage.items import ADD, END, FIRST, KEEP, ONLY_TIPS, OUT, PRODUCTS, SHOW, Side
from widget.path_coverage.layers import BLOCK, Layer, States, Walked, walk
from widget.path_coverage.layout import WORD, Layout
from widget.path_coverage.ranking import Ranking
from widget.path_coverage.run import Answers, Kind, KindBook
from widget.path_coverage.table import NO_ROW

SEED = 20
MAX_DRAWN, MIN_DRAWN = 100_000, 2_000
WORK = 4_000_000_000
"""Maximum number of multiplications: rows × columns × paths."""
KEPT = 212
NOT_ASKED = -1


class Sampling:
    """Sampled paths of one side, with the interface of a Run: kinds, totals (estimates), ends, and examples."""

    def __init__(self, side: Side, *, drawn: int = MAX_DRAWN, apart: Sequence[Term] = ()) -> None:
        self.layout = Layout([side], sampled=True)
        steering = tuple(item for item in side.items if item.kind in (SHOW, END, ONLY_TIPS))
        terms = [*(term for item in side.items for term in item.when.terms()), *apart]
        self.quiz = Layout([replace(side, places=(), items=steering, pins=())], apart=terms, sampled=True)
        self.walked: Walked = walk(self.quiz)
        self.paths = sum(self.walked.ended) + int(self.walked.counts.sum()) * self.walked.factor
        per_path = max(1, len(side.items) * self.layout.width)
        self.classes = max(MIN_DRAWN, min(drawn, WORK // per_path))
        self.ways, over = _draw(self.quiz, self.walked, self.classes)
        self.book = KindBook([Ranking(self.layout, 0)])
        self.held = np.zeros(len(side.items), dtype=np.int64)
        self.met: list[list[int]] = [[] for _ in side.items]
        self._evaluate(over)

    # Results of sampled paths ------------------------------------------------------------------------

    def _evaluate(self, over: NDArray[np.int32]) -> None:
        kinds = np.full(self.classes, -1, dtype=np.int32)
        going = np.flatnonzero(over < 0)
        for at in range(0, len(going), BLOCK):
            some = going[at : at + BLOCK]
            holds = self._holds(some)
            states = self._states(holds)
            kinds[some] = self.book.numbers(states)
            self._note_rows(some, holds, states)
        self.kinds: list[tuple[Kind, ...]] = self.book.kinds
        counts: Any = sum_by(kinds[going], np.ones(len(going), dtype=np.int64), len(self.kinds)) if len(going) else []
        lasting = self.paths - sum(self.walked.ended)
        self.totals = [int(count) * lasting // len(going) for count in counts]
        self.first = {int(kind): int(path) for path, kind in zip(going[::-1], kinds[going[::-1]], strict=True)}

    def _holds(self, paths: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return which items hold on which of these paths."""
        side = self.layout.sides[0]
        holds = np.zeros((len(paths), len(side.items)), dtype=bool)
        place = {ask.question.id: at for at, ask in enumerate(self.quiz.asks)}
        for number, item in enumerate(side.items):
            for terms in item.when.clauses:
                fits = np.ones(len(paths), dtype=bool)
                for term in terms:
                    ways = self.quiz.asks[place[term.field]].ways
                    truth = np.append(ways.truth[:, ways.terms.index(term)], False)
                    fits &= truth[self.ways[place[term.field], paths]]
                holds[:, number] |= fits
        return holds

    def _states(self, holds: NDArray[np.bool_]) -> States:
        layout, side = self.layout, self.layout.sides[0]
        adds = np.zeros((len(side.items), layout.width))
        outs = np.zeros((len(side.items), layout.width))
        triage = np.full((1, len(holds)), NO_ROW, dtype=np.int16)
        words = np.zeros((layout.words, len(holds)), dtype=np.uint64)
        for number, item in enumerate(side.items):
            if item.kind == ADD:
                adds[number, list(item.columns)] = item.weight
            elif item.kind in (OUT, KEEP):
                outs[number, list(item.columns)] = 1
            elif item.kind == ONLY_TIPS:
                triage[0] = np.where(holds[:, number], np.minimum(triage[0], item.index), triage[0])
            elif item.kind == FIRST:
                bit = layout.pin_bits[0, item.index]
                words[bit // WORD] |= holds[:, number].astype(np.uint64) << np.uint64(bit % WORD)
        scores = (holds @ adds).astype(layout.score_type)
        scores[(holds @ outs) > 0] = layout.out
        if side.group == PRODUCTS:
            scores[triage[0] != NO_ROW] = layout.out
        ended = np.full((1, len(holds)), NO_ROW, dtype=np.int16)
        return States(words, scores, triage, ended, np.ones(len(holds), dtype=np.int64))

    def _note_rows(self, paths: NDArray[np.int64], holds: NDArray[np.bool_], states: States) -> None:
        playing = (
            states.triage[0] == NO_ROW if self.layout.sides[0].group == PRODUCTS else np.ones(len(paths), dtype=bool)
        )
        counted = holds & playing[:, None]
        self.held += counted.sum(axis=0)
        for number in np.flatnonzero(counted.any(axis=0)):
            if len(self.met[number]) < KEPT:
                self.met[number] += paths[counted[:, number]][:KEPT].tolist()

    # Interface of Run and Backward -------------------------------------------------------------------

    @property
    def touched(self) -> list[int]:
        """For each item, the estimated number of paths on which it holds and rows are in play."""
        return [int(count) * self.paths // self.classes for count in self.held]

    def answer_sets(self) -> Iterator[Answers]:
        """Return an iterator over the answers of the sampled paths."""
        return (self._answers(path) for path in range(self.classes))

    def example_of_kind(self, kind: int) -> Answers:
        return self._answers(self.first[kind])

    def answers_through(self, item: int, *, most: int, seed: int = 0) -> Iterator[Answers]:
        """Yield up to ``most`` answer sets on which the item holds; another ``seed`` takes others."""
        paths = np.random.default_rng(seed).permutation(self.met[item]) if seed else self.met[item]
        for path in paths[:most]:
            yield self._answers(int(path))

    def _answers(self, path: int) -> Answers:
        answers: Answers = {}
        for at, ask in enumerate(self.quiz.asks):
            way = int(self.ways[at, path])
            given = ask.ways.answer(way) if way != NOT_ASKED else []
            if given:
                answers[ask.question.id] = given
        return answers


def _draw(quiz: Layout, walked: Walked, many: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Sample paths: return the way of each question on each path, and the early end of each path or -1."""
    chance = np.random.default_rng(SEED)
    ways = np.full((len(quiz.asks), many), NOT_ASKED, dtype=np.int32)
    over = np.full(many, -1, dtype=np.int32)
    state = np.zeros(many, dtype=np.int64)
    onward = dict(zip([layer.at for layer in walked.layers], _onward(walked), strict=True))
    layers = {layer.at: layer for layer in walked.layers}
    for at, ask in enumerate(quiz.asks):
        going = np.flatnonzero(over < 0)
        if at not in layers:
            shares = _shares(ask.ways.counts)
            ways[at, going] = chance.choice(len(shares), size=len(going), p=shares)
            continue
        layer = layers[at]
        before = state[going]  # A copy, since ``state`` changes below.
        for one in np.unique(before):
            here = going[before == one]
            way, child = _step(layer, int(one), onward[at], len(here), chance)
            ways[at, here] = np.where(way < len(ask.ways), way, NOT_ASKED)
            over[here] = np.where(child < 0, -1 - child, -1)
            state[here] = np.maximum(child, 0)
    return ways, over


def _step(layer: Layer, state: int, onward: Any, many: int, chance: np.random.Generator) -> tuple[Any, Any]:
    """Draw (way, child) for ``many`` paths at one state, weighted by the number of paths that each way leads to."""
    pattern = int(layer.pattern[state])
    raw = layer.table.raw[pattern]
    open_ways = np.flatnonzero(raw >= 0)
    edges = layer.first_edge[state] - layer.table.start[pattern] + raw[open_ways]
    counts = layer.table.raw_counts
    shares = _shares([counts[way] * int(onward[edge]) for way, edge in zip(open_ways, edges, strict=True)])
    picked = chance.choice(len(open_ways), size=many, p=shares)
    return open_ways[picked], layer.child[edges[picked]]


def _shares(counts: Any) -> NDArray[np.float64]:
    """Convert integers of any size to shares of their sum."""
    total = sum(counts)
    shares = np.array([int(count) * 10**15 // total for count in counts], dtype=np.float64)
    return np.asarray(shares / shares.sum())


def _onward(walked: Walked) -> list[Any]:
    """Return for each edge of each layer the number of paths that continue from it."""
    after: Any = np.array([walked.factor] * len(walked.counts), dtype=object)
    found = []
    for layer in reversed(walked.layers):
        onward = np.where(layer.child >= 0, padded(after)[np.maximum(layer.child, 0)], 1)
        found.append(onward)
        per_state = np.zeros(len(layer.pattern), dtype=object)
        np.add.at(per_state, layer.parent, onward * layer.table.counts[layer.entry].astype(object))
        after = per_state * layer.many
    return found[::-1]
