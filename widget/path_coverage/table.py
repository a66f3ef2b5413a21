"""The transition table of one question, by pattern of remembered state and by way of answering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from widget.path_coverage.exact import Column, equal_rows, sum_by
from widget.path_coverage.items import ADD, END, FIRST, KEEP, ONLY_TIPS, OUT, SHOW
from widget.path_coverage.layout import WORD, Layout, Words

HIDDEN = -1
NO_ROW = 32767
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Table:
    """The transitions of one question.

    Entries are grouped by pattern: pattern ``u`` has the entries ``start[u]`` to ``start[u + 1]``. ``raw``: the entry
    of each (pattern, way), -1 if there is none. ``matched``: which of ``items`` each (pattern, way) makes hold; its
    shape is (patterns, ways, items).
    """

    start: NDArray[np.int64]
    counts: Column
    way: NDArray[np.int32]
    cleared: Words
    new: NDArray[np.uint64]
    kill: NDArray[np.uint64]
    delta: NDArray[Any]
    ended: NDArray[np.int16]
    triage: NDArray[np.int16]
    raw: NDArray[np.int32]
    raw_counts: tuple[int, ...]
    items: tuple[int, ...]
    matched: Flags


def cleared_by(layout: Layout, at: int) -> int:
    """Return the bits that are no longer needed after this question."""
    ask = layout.asks[at]
    mask = 0
    for place in ask.clauses:
        bit = layout.clauses[place].bit
        mask |= 0 if bit < 0 else 1 << bit
    for bit in ask.show_bit:
        mask |= 0 if bit < 0 else 1 << bit
    return mask


def make_table(layout: Layout, at: int, words: NDArray[np.uint64], asked: Flags) -> Table:
    """Return the table for patterns given as memory (words × patterns) and the sides that ask (sides × patterns)."""
    return _Maker(layout, at, words, asked).table()


class _Maker:
    def __init__(self, layout: Layout, at: int, words: NDArray[np.uint64], asked: Flags) -> None:
        self.layout, self.at, self.ask = layout, at, layout.asks[at]
        self.words, self.asked = words, asked
        self.patterns = asked.shape[1]
        self.clauses = [layout.clauses[place] for place in self.ask.clauses]
        self.items = tuple(dict.fromkeys(clause.item for clause in self.clauses if clause.last == at))

    def table(self) -> Table:
        ask, layout = self.ask, self.layout
        pattern, way, truth = self._rows()
        holds = self._alive()[pattern] & truth
        matched = np.zeros((len(pattern), len(self.items)), dtype=bool)
        column = {item: place for place, item in enumerate(self.items)}
        for place, clause in enumerate(self.clauses):
            if clause.last == self.at:
                matched[:, column[clause.item]] |= holds[:, place]
        new, kill = self._memory(holds, matched)
        delta = self._scores(matched)
        ended, triage = self._ends(matched)
        self._forget_the_dead(ended, triage, new, kill, delta)
        first, which = equal_rows([pattern, *ended, *triage, *new, *kill, *delta.view(np.uint64).T])
        order = np.argsort(pattern[first], kind="stable")
        place_of = np.empty(len(order), dtype=np.int64)
        place_of[order] = np.arange(len(order))
        first, which = first[order], place_of[which]
        counts = np.array([*ask.ways.counts, 1, 1], dtype=layout.count_type)[way]
        raw = np.full((self.patterns, len(ask.ways) + 2), -1, dtype=np.int32)
        raw[pattern, way] = which
        grid = np.zeros((self.patterns, raw.shape[1], len(self.items)), dtype=bool)
        grid[pattern, way] = matched
        sizes = np.bincount(pattern[first], minlength=self.patterns)
        return Table(
            start=np.concatenate([[0], np.cumsum(sizes)]),
            counts=sum_by(which, counts, len(first)),
            way=way[first].astype(np.int32),
            cleared=layout.word_mask(cleared_by(layout, self.at)),
            new=new[:, first],
            kill=kill[:, first],
            delta=delta[first],
            ended=ended[:, first],
            triage=triage[:, first],
            raw=raw,
            raw_counts=(*ask.ways.counts, 1, 1),
            items=self.items,
            matched=grid,
        )

    def _rows(self) -> tuple[NDArray[np.int64], NDArray[np.int64], Flags]:
        """Return columns (pattern, way, truth of each clause) of all transitions.

        The last way is hidden, the one before it skipped. A path on which only one side asks the question is common to
        both sides only if it is skipped: then the answers are the same.
        """
        full, names = len(self.ask.ways), self.ask.question.id
        unconditional = np.ones((full, len(self.clauses)), dtype=bool)
        for place, clause in enumerate(self.clauses):
            terms = [self.ask.ways.terms.index(term) for term in clause.terms_on(names)]
            unconditional[:, place] = self.ask.ways.truth[:, terms].all(axis=1)
        allowed = self._allowed()
        asked = np.flatnonzero(self.asked.all(axis=0))
        pattern, way = [np.repeat(asked, len(allowed))], [np.tile(allowed, len(asked))]
        truth = [np.tile(unconditional[allowed], (len(asked), 1))]
        for u in np.flatnonzero(~self.asked.all(axis=0)).tolist():
            if len(allowed) < full:
                break  # The run is limited to terms on this question, which cannot hold where it is not asked.
            askers = np.flatnonzero(self.asked[:, u]).tolist()
            homes = [self.layout.sides[side].rules.pack.quiz.by_id[names] for side in askers]
            if not all(home.optional for home in homes):
                continue
            row = [clause.side in askers and self._holds_skipped(clause) for clause in self.clauses]
            pattern.append(np.full(1, u))
            way.append(np.full(1, full + (not askers)))
            truth.append(np.array([row], dtype=bool).reshape(1, len(self.clauses)))
        way_column = np.concatenate(way)
        return np.concatenate(pattern), np.where(way_column == full + 1, HIDDEN, way_column), np.concatenate(truth)

    def _allowed(self) -> NDArray[np.int64]:
        """Return the ways on which all terms that the run is limited to hold."""
        ways = self.ask.ways
        wanted = [ways.terms.index(term) for term in self.layout.within if term.field == self.ask.question.id]
        return np.flatnonzero(ways.truth[:, wanted].all(axis=1)) if wanted else np.arange(len(ways))

    def _holds_skipped(self, clause: Any) -> bool:
        skipped = frozenset({"skipped"})
        return all(term.holds(skipped) for term in clause.terms_on(self.ask.question.id))

    def _alive(self) -> Flags:
        """Return whether each clause may still hold in each pattern."""
        alive = np.ones((self.patterns, len(self.clauses)), dtype=bool)
        for place, clause in enumerate(self.clauses):
            if clause.bit >= 0:
                alive[:, place] = self.words[clause.bit // WORD] >> np.uint64(clause.bit % WORD) & np.uint64(1)
        return alive

    def _memory(self, holds: Flags, matched: Flags) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
        layout = self.layout
        new = np.zeros((layout.words, len(holds)), dtype=np.uint64)
        kill = np.zeros_like(new)
        for place, clause in enumerate(self.clauses):
            if clause.bit >= 0 and clause.last > self.at:
                new[clause.bit // WORD] |= holds[:, place].astype(np.uint64) << np.uint64(clause.bit % WORD)
        for place, at in enumerate(self.items):
            side, item = layout.items[at]
            flag = matched[:, place]
            if layout.siblings[at]:
                for word, mask in enumerate(layout.word_mask(layout.siblings[at])):
                    kill[word] |= np.where(flag, mask, np.uint64(0))
                    new[word] &= np.where(flag, ~mask, ~np.uint64(0))
            bits = layout.show_bits if item.kind == SHOW else layout.pin_bits if item.kind == FIRST else {}
            bit = bits.get((side, item.index), -1)
            if bit >= 0:
                new[bit // WORD] |= flag.astype(np.uint64) << np.uint64(bit % WORD)
        return new, kill

    def _scores(self, matched: Flags) -> NDArray[Any]:
        layout = self.layout
        adds = np.zeros((len(self.items), layout.width))
        outs = np.zeros((len(self.items), layout.width))
        for place, at in enumerate(self.items):
            side, item = layout.items[at]
            columns = [layout.offsets[side] + column for column in item.columns]
            if item.kind == ADD:
                adds[place, columns] = item.weight
            elif item.kind in (OUT, KEEP):
                outs[place, columns] = 1
        delta = (matched @ adds).astype(layout.score_type)
        if outs.any():
            delta[(matched @ outs) > 0] = layout.out
        return delta

    def _ends(self, matched: Flags) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
        shape = (len(self.layout.sides), len(matched))
        ended, triage = np.full(shape, NO_ROW, dtype=np.int16), np.full(shape, NO_ROW, dtype=np.int16)
        for place, at in enumerate(self.items):
            side, item = self.layout.items[at]
            if item.kind in (END, ONLY_TIPS):
                rows = ended if item.kind == END else triage
                rows[side] = np.where(matched[:, place], np.minimum(rows[side], item.index), rows[side])
        return ended, triage

    def _forget_the_dead(self, ended: Any, triage: Any, new: Any, kill: Any, delta: Any) -> None:
        """Clear scores and row memory of sides that have ended or no longer show products, as they need neither."""
        for side in range(len(self.layout.sides)):
            dead = ended[side] != NO_ROW
            triage[side, dead] = NO_ROW
            if self.layout.dead_by_triage(side):
                dead = dead | (triage[side] != NO_ROW)
            if dead.any():
                delta[dead, self.layout.side_columns(side)] = self.layout.out
                for word, mask in enumerate(self.layout.word_mask(self.layout.of_columns[side])):
                    new[word, dead] &= ~mask
                    kill[word, dead] |= mask
