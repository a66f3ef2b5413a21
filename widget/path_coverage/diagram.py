"""Counting of the paths on which either of two groups changed, without exploring both groups at once.

Each group's comparison is folded into a decision diagram whose leaves are "changed" or "same". The two diagrams are
small, and traversing them together counts every path once (Bryant 1986, "apply").
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from widget.path_coverage.backward import padded
from widget.path_coverage.exact import mixed, odd_numbers
from widget.path_coverage.layers import Layer
from widget.path_coverage.run import Kind, Run

Hashes = NDArray[np.uint64]
GOING_SAME, GOING_CHANGED, OVER_SAME, OVER_CHANGED = (int(item) for item in mixed(odd_numbers(4, seed=23)))
CHANGED = frozenset({GOING_CHANGED, OVER_CHANGED})
OVER = frozenset({OVER_SAME, OVER_CHANGED})


class Diagram:
    """A run of two sides as a decision diagram; ``changed`` tells whether a pair of results differs for a shopper."""

    def __init__(self, run: Run, changed: Callable[[tuple[Kind, ...]], bool]) -> None:
        self.run = run
        leaves = [GOING_CHANGED if changed(kinds) else GOING_SAME for kinds in run.kinds]
        ends = [tuple(Kind(row, None, (), (), ()) for row in rows) for rows in run.walked.ends]
        over = [OVER_CHANGED if changed(kinds) else OVER_SAME for kinds in ends]
        self._fold(np.array([*leaves, 0], dtype=np.uint64), np.array([*over, 0], dtype=np.uint64))

    def _fold(self, leaves: Hashes, over: Hashes) -> None:
        """Compute, from the end, the node of each state and the node that each edge leads to."""
        after = leaves[self.run.kind_of]
        led: list[Hashes] = []
        nodes: list[Hashes] = []
        for layer in reversed(self.run.walked.layers):
            child = np.where(
                layer.child >= 0, padded(after)[np.maximum(layer.child, 0)], over[np.maximum(-1 - layer.child, 0)]
            )
            weights = np.zeros(len(layer.table.counts), dtype=np.uint64)
            there = layer.table.raw >= 0
            odd = np.broadcast_to(odd_numbers(layer.table.raw.shape[1], seed=29), layer.table.raw.shape)
            np.add.at(weights, layer.table.raw[there], odd[there])
            total = np.zeros(len(layer.pattern), dtype=np.uint64)
            np.add.at(total, layer.parent, child * weights[layer.entry])
            after = mixed(total)
            led.append(child)
            nodes.append(after)
        self.led, self.nodes = led[::-1], nodes[::-1]

    @cached_property
    def state_of(self) -> list[dict[int, int]]:
        """For each layer, one state of each node."""
        found = []
        for nodes in self.nodes:
            values, first = np.unique(nodes, return_index=True)
            found.append(dict(zip(values.tolist(), first.tolist(), strict=True)))
        return found

    def onward(self, at: int, node: int) -> tuple[Layer, int, Hashes]:
        """Return the layer, the pattern of the node, and the node that each raw way leads to (0: none)."""
        layer = self.run.walked.layers[at]
        state = self.state_of[at][node]
        pattern = int(layer.pattern[state])
        raw = layer.table.raw[pattern]
        place = layer.first_edge[state] - layer.table.start[pattern] + raw
        led = self.led[at][np.where(raw >= 0, place, 0)] if len(self.led[at]) else np.zeros(len(raw), dtype=np.uint64)
        return layer, pattern, np.where(raw >= 0, led, np.uint64(0))


def changed_in_either(one: Diagram, other: Diagram, joint_ways: Callable[[int], Any]) -> int:
    """Return the number of common paths on which at least one of the two groups changed.

    ``joint_ways(at)`` returns three columns for the ways that either group distinguishes at layer ``at``: the number of
    answers, the way of the first group, and the way of the second.
    """
    if not one.nodes:
        return 0
    pairs: dict[tuple[int, int], int] = {(int(one.nodes[0][0]), int(other.nodes[0][0])): 1}
    done: Counter[bool] = Counter()
    for at in range(len(one.nodes)):
        counts, first, second = joint_ways(at)
        following: dict[tuple[int, int], int] = defaultdict(int)
        for (left, right), many in pairs.items():
            _, _, led = one.onward(at, left)
            _, _, also = other.onward(at, right)
            for a, b, count in _steps(led, also, counts, first, second):
                if a in OVER or at == len(one.nodes) - 1:
                    done[a in CHANGED or b in CHANGED] += many * count
                else:
                    following[a, b] += many * count
        pairs = following
    return done[True]


def _steps(
    led: Hashes, also: Hashes, counts: list[int], first: NDArray[Any], second: NDArray[Any]
) -> list[tuple[int, int, int]]:
    """Return (node, node, number of answers) for each pair of nodes that one question leads to from a pair of nodes."""
    found: Counter[tuple[int, int]] = Counter()
    if led[:-2].any():
        lefts, rights = led[:-2][first].tolist(), also[:-2][second].tolist()
        for a, b, count in zip(lefts, rights, counts, strict=True):
            found[a, b] += count
    for place in (-2, -1):  # Skipped where only one version asks it, or asked by neither.
        if led[place]:
            found[int(led[place]), int(also[place])] += 1
    return [(a, b, count) for (a, b), count in found.items()]
