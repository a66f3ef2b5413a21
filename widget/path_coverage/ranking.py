"""Steps 5 to 9 of the content format for many classes at once: what is shown, in which order, and what decided it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from widget.path_coverage.exact import Column
from widget.path_coverage.items import PRODUCTS, Side
from widget.path_coverage.layers import States
from widget.path_coverage.layout import WORD, Layout

NOBODY = -1


@dataclass(frozen=True)
class Ranked:
    """The picks of many classes: one row per pick, one column per class.

    ``winners``: the column of the side that the pick shows, or NOBODY. ``slots``: the slot of each row. ``tied``:
    whether only the SKU (or id) decided the pick. ``fallback``: whether the picks of a class come from the fallback
    list; they are then in the first rows.
    """

    winners: NDArray[np.int16]
    slots: tuple[int, ...]
    tied: NDArray[np.bool_]
    fallback: NDArray[np.bool_]


class Ranking:
    """The ranking of one side's columns, and the picks to show."""

    def __init__(self, layout: Layout, at: int) -> None:
        self.layout, self.at, self.side = layout, at, layout.sides[at]
        rules = self.side.rules
        self.result = rules.pack.result
        self.ranks_products = self.side.group == PRODUCTS
        count = len(self.side.places)
        self.count = count
        self.slots = self._slots(self.side)
        self.picks = tuple(slot for slot, (take, _) in enumerate(self.slots) for _ in range(take))
        take = sum(slot.take for slot in self.result.slots) if self.ranks_products else self.result.max_tips
        self.most_fallback = min(take, len(self.fallback))
        self.rows = max(len(self.picks), self.most_fallback)
        self._order()
        self.groups = self._groups(self.side)

    def _slots(self, side: Side) -> list[tuple[int, list[int]]]:
        """Return (number to take, matching columns) of each slot; the number is limited to the matching columns."""
        if not self.ranks_products:
            return [(min(self.result.max_tips, self.count), list(range(self.count)))] if self.count else []
        slots = []
        for slot, fitting in side.rules.slots:
            columns = [column for column, place in enumerate(side.places) if fitting >> place & 1]
            slots.append((min(slot.take, len(columns)), columns))
        return slots

    def _order(self) -> None:
        """Encode as numbers what decides between equal scores: the priority, then the position."""
        side, rules = self.side, self.side.rules
        priorities = (
            [rules.products[place].priority for place in side.places] if self.ranks_products else [0] * self.count
        )
        stocked = [bool(side.catalog.in_stock >> place & 1) if self.ranks_products else True for place in side.places]
        ranks = {priority: rank for rank, priority in enumerate(sorted(set(priorities)))}
        self.bits = max(1, (self.count - 1).bit_length())
        self.levels = max(1, len(ranks))
        self.precedence = np.array([ranks[priority] for priority in priorities], dtype=np.int64)
        self.backward = np.arange(self.count)[::-1].copy()
        far = -self.layout.out_below * self.levels << self.bits
        self.wide = far * (len(side.pins) + 2) >= 1 << 30
        self.type: type[Any] = np.int64 if self.wide else np.int32
        self.nothing = np.iinfo(self.type).min
        self.step = far * 2
        self.offset = np.array([0 if item else -self.step for item in stocked], dtype=self.type)
        self.least = self.result.min_score if self.ranks_products else 1

    def _groups(self, side: Side) -> list[list[int]]:
        """Return the groups of columns that are variants of one product."""
        by_group: dict[str, list[int]] = {}
        for column, place in enumerate(side.places):
            group = side.catalog.groups[place] if self.ranks_products else None
            if group is not None:
                by_group.setdefault(group, []).append(column)
        return [columns for columns in by_group.values() if len(columns) > 1]

    @cached_property
    def fallback(self) -> list[int]:
        """The columns of the fallback list, in the order they are tried."""
        side, rules = self.side, self.side.rules
        if self.ranks_products:
            listed = [rules.place[sku] for sku in dict.fromkeys(self.result.fallback) if sku in rules.place]
            listed.sort(key=lambda place: not side.catalog.in_stock >> place & 1)
        else:
            wanted = dict.fromkeys(self.result.fallback_tips)
            listed = [rules.tip_place[tip] for tip in wanted if tip in rules.tip_place]
        return [side.places.index(place) for place in listed if place in side.places]

    def rank(self, states: States) -> Ranked:
        """Return the picks of these classes."""
        size = len(states.triage[0])
        scores = np.ascontiguousarray(states.scores[:, self.layout.side_columns(self.at)].T)
        winners = np.full((self.rows, size), NOBODY, dtype=np.int16)
        tied = np.zeros((len(self.picks), size), dtype=bool)
        if not self.rows:
            return Ranked(winners, self.picks, tied, np.zeros(size, dtype=bool))
        keys = self._keys(states, scores)
        best: NDArray[Any] | None = None
        before: list[int] | None = None
        for row, slot in enumerate(self.picks):
            fits = self.slots[slot][1]
            if fits != before or self.groups:
                best = None
            best, before = self._pick(keys, fits, row, winners, tied, best=best), fits
        empty = (winners == NOBODY).all(axis=0)
        if empty.any() and self.fallback:
            self._fall_back(scores, np.flatnonzero(empty), winners)
        return Ranked(winners, self.picks, tied, empty & (winners[0] != NOBODY))

    def _keys(self, states: States, scores: NDArray[Any]) -> NDArray[Any]:
        keys = scores.astype(self.type)
        if self.levels > 1:
            keys *= self.levels
            keys += self.precedence[:, None].astype(self.type)
        keys <<= self.bits
        keys += self.backward[:, None].astype(self.type)
        if self.offset.any():
            keys += self.offset[:, None]
        hidden = scores < max(self.least, self.layout.out_below + 1)
        if self.side.pins:
            self._pin(states, scores, keys, hidden)
        np.copyto(keys, self.nothing, where=hidden)
        return keys

    def _pin(self, states: States, scores: NDArray[Any], keys: NDArray[Any], hidden: NDArray[Any]) -> None:
        """Apply pins: earlier rows rank higher, and a product pinned by two rows counts for the earlier one."""
        done = np.zeros(hidden.shape, dtype=bool)
        for index, columns in enumerate(self.side.pins):
            bit = self.layout.pin_bits[self.at, index]
            held = (states.words[bit // WORD] >> np.uint64(bit % WORD) & np.uint64(1)).astype(bool)
            for column in columns if held.any() else ():
                first = held & (scores[column] > self.layout.out_below) & ~done[column]
                keys[column] += first * self.type((len(self.side.pins) - index) * self.step)
                done[column] |= first
                hidden[column] &= ~first

    def _pick(
        self, keys: NDArray[Any], fits: list[int], row: int, winners: Any, tied: Any, *, best: NDArray[Any] | None
    ) -> NDArray[Any]:
        """Pick the best remaining column of each class, and remove it and its variants from the remaining columns.

        ``best``: the best remaining keys, if known. Return the best of the remaining keys after the pick, which may
        still include the variants just removed.
        """
        every = len(fits) == self.count
        if best is None:
            best = (keys if every else keys[fits]).max(axis=0)
        some = best != self.nothing
        place = self.count - 1 - (best & ((1 << self.bits) - 1))
        chosen = np.where(some, place, NOBODY)
        winners[row] = chosen
        at = np.flatnonzero(some)
        keys[chosen[at], at] = self.nothing
        next_best: NDArray[Any] = (keys if every else keys[fits]).max(axis=0)
        tied[row] = some & ((best >> self.bits) == (next_best >> self.bits)) & (next_best != self.nothing)
        for group in self.groups:
            taken = np.isin(chosen, group)
            for column in group if taken.any() else ():
                np.putmask(keys[column], taken, self.nothing)
        return next_best

    def _fall_back(self, scores: NDArray[Any], at: Column, winners: NDArray[np.int16]) -> None:
        """Fill classes from the fallback list, in list order, up to what the slots take.

        This is step 8, and for tips the end of step 9.
        """
        group_of = {column: number for number, group in enumerate(self.groups) for column in group}
        filled = np.zeros(len(at), dtype=np.int64)
        used = np.zeros((len(self.groups), len(at)), dtype=bool)
        for column in self.fallback:
            free = (scores[column, at] > self.layout.out_below) & (filled < self.most_fallback)
            if column in group_of:
                free &= ~used[group_of[column]]
                used[group_of[column]] |= free
            winners[filled[free], at[free]] = column
            filled += free
