"""Comparison of two runs with the same structure, class by class, without exploring the paths again."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from widget.path_coverage.alike import same_ways
from widget.path_coverage.exact import distinct
from widget.path_coverage.run import Kind, Run
from widget.path_coverage.sampling import Sampling


class Paired(Run):
    """Two runs of one side each, with the interface of a run of two sides."""

    def __init__(self, one: Run, other: Run) -> None:
        self.layout = one.layout
        ends = [(*a, *b) for a, b in zip(one.walked.ends, other.walked.ends, strict=True)]
        self.walked = replace(one.walked, ends=ends)
        self._one, self._other = one, other

    @cached_property
    def _pairs(self) -> tuple[list[tuple[Kind, ...]], NDArray[np.int32]]:
        """The distinct pairs of kinds, and for each class the number of its pair."""
        many = len(self._other.kinds)
        pairs = self._one.kind_of.astype(np.int64) * many + self._other.kind_of
        first, which = distinct(pairs)
        kinds = [(*self._one.kinds[pair // many], *self._other.kinds[pair % many]) for pair in pairs[first].tolist()]
        return kinds, which.astype(np.int32)

    @property
    def kinds(self) -> list[tuple[Kind, ...]]:
        return self._pairs[0]

    @property
    def kind_of(self) -> NDArray[np.int32]:
        return self._pairs[1]


def paired(one: Run | Sampling, other: Run | Sampling) -> Paired | None:
    """Combine two runs if they have the same structure; else return None."""
    if not isinstance(one, Run) or not isinstance(other, Run) or not same_ways(one.walked, other.walked):
        return None
    return Paired(one, other)
