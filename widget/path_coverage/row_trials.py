"""Trials of boost rows on many paths at once: whether removing a row changes what is shown.

The last state of a path contains its scores, so the row's weight can be subtracted, the picks made again, and both
results compared. Rows with other effects leave nothing that could be subtracted; they are tried on answer sets one by
one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from widget.path_coverage.backward import Backward
from widget.path_coverage.exact import Column
from widget.path_coverage.explore import Paths, paths_through
from widget.path_coverage.items import ADD
from widget.path_coverage.ranking import NOBODY, Ranked
from widget.path_coverage.run import Answers

FEW, MANY = 64, 512
"""Number of paths through a row that are tried together: at first, and if those show no difference."""
TOGETHER = 128
"""Number of rows that are tried together."""
MAX_YIELDED = 4


def adds(backward: Backward, number: int) -> bool:
    """Return whether the item adds to scores on some paths but not on others."""
    item = backward.layout.items[number][1]
    return item.kind == ADD and not item.when.always


def first_witnesses(backward: Backward, numbers: Sequence[int]) -> dict[int, Answers]:
    """Return the items that make a difference on one of up to FEW paths per layer, with answers for which they do."""
    adding = [number for number in numbers if adds(backward, number)]
    found: dict[int, Answers] = {}
    for at in range(0, len(adding), TOGETHER):
        tried = [(n, paths) for n in adding[at : at + TOGETHER] for paths in paths_through(backward, n, most=FEW)]
        for (number, paths), differs in zip(tried, _differing(backward, tried), strict=True):
            if number not in found and differs.any():
                found[number] = paths.answers(int(np.argmax(differs)))
    return found


def where_it_matters(backward: Backward, number: int) -> Iterator[Answers]:
    """Yield answers for which an item that adds to scores makes a difference, out of up to MANY paths per layer."""
    tried = [(number, paths) for paths in paths_through(backward, number, most=MANY, seed=1)]
    for (_, paths), differs in zip(tried, _differing(backward, tried), strict=True):
        for path in np.flatnonzero(differs)[:MAX_YIELDED].tolist():
            yield paths.answers(path)


def _differing(backward: Backward, tried: Sequence[tuple[int, Paths]]) -> list[NDArray[np.bool_]]:
    """Return for each (item, paths) on which of the paths the result differs without the item."""
    if not tried:
        return []
    states = backward.run.states(np.concatenate([paths.classes for _, paths in tried]))
    less = replace(states, scores=states.scores.copy())
    ends = np.cumsum([len(paths) for _, paths in tried])
    for (number, paths), end in zip(tried, ends, strict=True):
        item, rows = backward.layout.items[number][1], slice(end - len(paths), end)
        columns = list(item.columns)
        left = states.scores[rows, columns] > backward.layout.out_below
        less.scores[rows, columns] -= np.where(left, item.weight, 0).astype(less.scores.dtype)
    ranking = backward.run.rankings[0]
    differs = (_in_order(ranking.rank(states)) != _in_order(ranking.rank(less))).any(axis=0)
    return np.split(differs, ends[:-1])


def _in_order(ranked: Ranked) -> Column:
    """Return what is shown regardless of slots: the picks in order, then the unfilled places."""
    gone = np.argsort(ranked.winners == NOBODY, axis=0, kind="stable")
    return np.take_along_axis(ranked.winners, gone, axis=0)
