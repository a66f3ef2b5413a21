"""Two runs that went the same ways, side by side without going them again.

An edit of a weight or a reason seldom changes which answers can be told apart. Where two versions ask the same
questions and every layer has the same states with the same edges, class n of the one is class n of the other, and what
changed is found by comparing what each class shows.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from widget.coverage.drawn import Drawn
from widget.coverage.layers import Layer
from widget.coverage.run import Kind, Run


class Paired(Run):
    """With the face of a run of two sides."""

    def __init__(self, one: Run, other: Run) -> None:
        self.frame = one.frame
        ends = [(*a, *b) for a, b in zip(one.walked.ends, other.walked.ends, strict=True)]
        self.walked = replace(one.walked, ends=ends)
        self._one, self._other = one, other

    @cached_property
    def _told(self) -> tuple[list[tuple[Kind, ...]], NDArray[np.int32]]:
        """Pairs of kinds in the order in which they are met."""
        many = len(self._other.kinds)
        pairs = self._one.kind_of.astype(np.int64) * many + self._other.kind_of
        values, first, which = np.unique(pairs, return_index=True, return_inverse=True)
        order = np.argsort(first)
        place = np.empty(len(order), dtype=np.int32)
        place[order] = np.arange(len(order), dtype=np.int32)
        kinds = [(*self._one.kinds[pair // many], *self._other.kinds[pair % many]) for pair in values[order].tolist()]
        return kinds, place[which.reshape(-1)]


def paired(one: Run | Drawn, other: Run | Drawn) -> Paired | None:
    """The two as one, where they went the same ways; else None."""
    if not isinstance(one, Run) or not isinstance(other, Run) or not _same_asks(one, other):
        return None
    a, b = one.walked, other.walked
    same = len(a.layers) == len(b.layers) and a.factor == b.factor and len(a.ends) == len(b.ends)
    if not same or a.ended != b.ended or not np.array_equal(a.counts, b.counts):
        return None
    return Paired(one, other) if all(map(_same_layer, a.layers, b.layers)) else None


def _same_asks(one: Run, other: Run) -> bool:
    """The same questions, told apart by the same terms."""

    def asked(run: Run) -> list[Any]:
        return [(ask.question.id, ask.question.option_ids, ask.ways.terms, ask.ways.counts) for ask in run.frame.asks]

    return asked(one) == asked(other)


def _same_layer(one: Layer, other: Layer) -> bool:
    if one.at != other.at or one.many != other.many:
        return False
    arrays = (
        (one.count, other.count),
        (one.pattern, other.pattern),
        (one.first_edge, other.first_edge),
        (one.parent, other.parent),
        (one.entry, other.entry),
        (one.child, other.child),
        (one.table.raw, other.table.raw),
        (one.table.counts, other.table.counts),
    )
    return all(np.array_equal(a, b) for a, b in arrays)
