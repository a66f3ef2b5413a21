"""Exploration of all questions, with all states at once.

A state is what still matters of the answers so far: which conditions may still hold, the score of each column, and the
triage rows that hold. States that agree in all of this are merged. Each layer keeps its edges (parent state, entry,
child state), so that an example can be traced back and counts can be propagated back from the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from widget.path_coverage.exact import Column, equal_rows, sum_by
from widget.path_coverage.items import ADD, FIRST, KEEP, ONLY_TIPS, OUT, SHOW
from widget.path_coverage.layout import WORD, Layout
from widget.path_coverage.table import NO_ROW, Flags, Table, cleared_by, make_table

MAX_CLASSES = 2_000_000
BLOCK = 8_192
Progress = Callable[[int, int], None]
"""Called with (questions done, total number of questions)."""


class TooManyClasses(Exception):
    """Raised for more classes than the limit (MAX_CLASSES by default): too many to explore one by one."""


@dataclass
class States:
    """A set of states: one column per state, but in ``scores`` one row per state.

    ``count``: the number of partial answer sets that lead to each state.
    """

    words: NDArray[np.uint64]
    scores: NDArray[Any]
    triage: NDArray[np.int16]
    ended: NDArray[np.int16]
    count: Column

    def __len__(self) -> int:
        return len(self.count)

    def columns(self) -> list[Column]:
        return [*self.words, self.scores.view(np.uint64), *self.triage, *self.ended]

    def take(self, which: Column) -> States:
        return States(
            self.words.take(which, axis=1),
            self.scores.take(which, axis=0),
            self.triage.take(which, axis=1),
            self.ended.take(which, axis=1),
            self.count.take(which),
        )


@dataclass
class Layer:
    """The layer of one question.

    Edges are in the order of their parent states; a ``child`` below 0 is the early end number ``-1 - child``.
    ``count``: the number of answer sets that lead to each state before the layer. ``many``: the number of ways of
    answering the questions between the previous layer and this one, which change nothing (already included in
    ``count``).
    """

    at: int
    table: Table
    count: Column
    many: int
    pattern: NDArray[np.int64]
    first_edge: NDArray[np.int64]
    parent: NDArray[np.int32]
    entry: NDArray[np.int32]
    child: NDArray[np.int32]
    made_by: NDArray[np.int32]
    """For each state after this layer, the edge that first led to it."""


@dataclass
class Walked:
    """All layers, and the early ends.

    ``ends``: for each end, the triage row that ended each side. ``ended``: the number of answer sets that ended there.
    ``end_edge``: for each end, the (layer, edge) that first led to it.
    """

    layout: Layout
    layers: list[Layer]
    before: States
    """The states before the last layer."""
    counts: Column
    """For each of the last states, the number of answer sets that lead there."""
    ends: list[tuple[int, ...]]
    ended: list[int]
    end_edge: list[tuple[int, int]]
    factor: int = 1
    """The number of ways of answering the questions after the last layer, which change nothing."""
    classes: int = 0


def start_states(layout: Layout) -> States:
    """Return the single state before the first question, with the items that always hold applied."""
    scores = np.zeros((1, layout.width), dtype=layout.score_type)
    words = layout.born_alive
    triage = np.full((len(layout.sides), 1), NO_ROW, dtype=np.int16)
    for side, item in layout.items:
        if not item.when.always:
            continue
        columns = [layout.offsets[side] + column for column in item.columns]
        if item.kind == ADD:
            scores[0, columns] += item.weight
        elif item.kind == FIRST:
            words |= 1 << layout.pin_bits[side, item.index]
        elif item.kind == SHOW:
            words |= 1 << layout.show_bits[side, item.index]
        elif item.kind == ONLY_TIPS:
            triage[side] = np.minimum(triage[side], item.index)
    for side, item in layout.items:
        if item.when.always and item.kind in (OUT, KEEP):
            scores[0, [layout.offsets[side] + column for column in item.columns]] = layout.out
    ended = np.full((len(layout.sides), 1), NO_ROW, dtype=np.int16)
    count = np.ones(1, dtype=layout.count_type)
    return States(layout.word_mask(words).reshape(-1, 1), scores, triage, ended, count)


def walk(layout: Layout, *, most: int = MAX_CLASSES, progress: Progress | None = None) -> Walked:
    """Explore all questions. Raises TooManyClasses."""
    states = start_states(layout)
    walked = Walked(layout, [], states, states.count, [], [], [])
    last = max((at for at in range(len(layout.asks)) if not _changes_nothing(layout, at)), default=-1)
    many = 1
    for at in range(len(layout.asks)):
        if progress:
            progress(at, len(layout.asks))
        if not _changes_nothing(layout, at):
            states.count = states.count * many
            states = _step(walked, states, at, many=many, merge=at < last, most=most)
            many = 1
        else:
            many *= layout.asks[at].ways.total
    walked.factor = many
    walked.classes = len(walked.counts) + len(walked.ends)
    return walked


def _changes_nothing(layout: Layout, at: int) -> bool:
    """Return whether a question only multiplies the number of answer sets: no condition uses it, every path has it."""
    ask = layout.asks[at]
    always = all(index is not None for index in ask.index) and all(bit < 0 for bit in ask.show_bit)
    limited = any(term.field == ask.question.id for term in layout.within)
    return not ask.clauses and always and len(layout.sides) == 1 and not limited


def _step(walked: Walked, states: States, at: int, *, many: int, merge: bool, most: int) -> States:
    layout = walked.layout
    asked = _asked(layout, states, at)
    cleared = layout.word_mask(cleared_by(layout, at))
    seen = [word & mask for word, mask in zip(states.words, cleared, strict=True) if mask]
    first, pattern = equal_rows([*seen, *(row.view(np.uint8) for row in asked)])
    table = make_table(layout, at, states.words[:, first], asked[:, first])
    sizes = np.diff(table.start)[pattern]
    total = int(sizes.sum())
    if total > most:
        raise TooManyClasses(layout.asks[at].question.id)
    parent = np.repeat(np.arange(len(states), dtype=np.int32), sizes)
    first_edge = np.concatenate([[0], np.cumsum(sizes)])
    entry = (np.arange(total) - first_edge[parent] + table.start[pattern][parent]).astype(np.int32)
    none = np.empty(0, np.int32)
    layer = Layer(at, table, states.count, many, pattern, first_edge, parent, entry, none, none)
    walked.layers.append(layer)
    return _children(walked, layer, states, merge=merge)


def _asked(layout: Layout, states: States, at: int) -> Flags:
    """Return whether each side asks this question in each state."""
    ask = layout.asks[at]
    asked = np.zeros((len(layout.sides), len(states)), dtype=bool)
    for side, (index, bit) in enumerate(zip(ask.index, ask.show_bit, strict=True)):
        if index is None:
            continue
        shown = np.ones(len(states), dtype=bool)
        if bit >= 0:
            shown = (states.words[bit // WORD] >> np.uint64(bit % WORD) & np.uint64(1)).astype(bool)
        asked[side] = shown & (states.ended[side] == NO_ROW)
    return asked


def _children(walked: Walked, layer: Layer, states: States, *, merge: bool) -> States:
    """Return the states after a layer; those after the last layer are created later, block by block, by ``blocks``."""
    table = layer.table
    ended = np.minimum(states.ended[:, layer.parent], table.ended[:, layer.entry])
    over = (ended != NO_ROW).all(axis=0)
    count = states.count[layer.parent] * table.counts[layer.entry]
    layer.child = np.empty(len(layer.parent), dtype=np.int32)
    if over.any():
        _note_ends(walked, layer, ended, over, count)
    going = np.flatnonzero(~over) if over.any() else np.arange(len(over))
    if not merge:
        layer.child[going], layer.made_by = np.arange(len(going)), going.astype(np.int32)
        walked.before, walked.counts = states, count[going]
        return states
    made = made_states(walked.layout, states, layer, going)
    made.count = count[going]
    first, which = equal_rows(made.columns())
    total = sum_by(which, made.count, len(first))
    made = made.take(first)
    made.count = total
    layer.child[going], layer.made_by = which, going[first].astype(np.int32)
    return made


def made_states(layout: Layout, states: States, layer: Layer, edges: Column) -> States:
    """Return the states that these edges of a layer lead to, without counts."""
    table, parent, entry = layer.table, layer.parent[edges], layer.entry[edges]
    words = states.words.take(parent, axis=1)
    words &= ~table.cleared[:, None]
    words &= (~table.kill).take(entry, axis=1)
    words |= table.new.take(entry, axis=1)
    triage = np.minimum(states.triage.take(parent, axis=1), table.triage.take(entry, axis=1))
    ended = np.minimum(states.ended.take(parent, axis=1), table.ended.take(entry, axis=1))
    return States(words, joined_scores(layout, states, table, parent, entry), triage, ended, states.count[:0])


def blocks(walked: Walked, places: Column | None = None) -> Iterator[tuple[int, States]]:
    """Yield the last states in blocks, as (position of the first, states), so that not all are in memory at once.

    ``places``: only the states at these positions.
    """
    if not walked.layers:
        yield 0, walked.before
        return
    layer = walked.layers[-1]
    edges = layer.made_by if places is None else layer.made_by[places]
    for at in range(0, len(edges), BLOCK):
        yield at, made_states(walked.layout, walked.before, layer, edges[at : at + BLOCK])


def joined_scores(layout: Layout, states: States, table: Table, parent: Column, entry: Column) -> NDArray[Any]:
    """Return the scores after an answer; excluded columns stay excluded, all with the same score."""
    scores = states.scores.take(parent, axis=0)
    scores += table.delta.take(entry, axis=0)
    if scores.size and scores.min() < layout.out_below:
        np.putmask(scores, scores < layout.out_below, layout.out)
    return scores


def _note_ends(walked: Walked, layer: Layer, ended: NDArray[np.int16], over: Flags, count: Column) -> None:
    edges = np.flatnonzero(over)
    first, which = equal_rows(list(ended[:, edges]))
    sums = sum_by(which, count[edges], len(first))
    places = []
    for at, total in zip(first, sums, strict=True):
        rows = tuple(int(item) for item in ended[:, edges[at]])
        if rows not in walked.ends:
            walked.ends.append(rows)
            walked.ended.append(0)
            walked.end_edge.append((len(walked.layers) - 1, int(edges[at])))
        place = walked.ends.index(rows)
        walked.ended[place] += int(total)
        places.append(place)
    layer.child[edges] = -1 - np.array(places, dtype=np.int32)[which]
