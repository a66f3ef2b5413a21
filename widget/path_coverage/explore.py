"""Random answer sets on which a given row holds, to test its effect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from widget.path_coverage.exact import Column
from widget.path_coverage.layers import Layer, Walked
from widget.path_coverage.run import Answers, Kind, Run

DRAWN_FOR_ONE = 64
"""Number of edges drawn at random per edge wanted, before all edges are searched."""
ROUNDS = 6
"""Number of times a continuation is drawn at random, before all continuations are searched."""


class Explored(Protocol):
    """A run after its backward pass, as far as drawing paths requires."""

    run: Run
    walked: Walked

    @property
    def leads_on(self) -> list[NDArray[np.bool_]]:
        """For each edge of each layer, whether there is a continuation on which rows are in play."""

    def in_play(self, kind: Kind) -> bool:
        """Return whether mapping rows have an effect."""


@dataclass(frozen=True)
class Paths:
    """Paths that pass one layer by certain edges and ways of answering, and continue to the last layer.

    ``ways``: for each path, the way at that layer. ``edges``: for that layer and each later one, the edge of each path.
    Both hold integer arrays with one entry per path.
    """

    run: Run
    at: int
    ways: Column
    edges: list[Column]

    def __len__(self) -> int:
        return len(self.ways)

    @property
    def classes(self) -> Column:
        """The class that each path ends in."""
        return self.run.walked.layers[-1].child[self.edges[-1]]

    def answers(self, number: int) -> Answers:
        layers = self.run.walked.layers
        ways = self.run.ways_back(self.at, int(self.edges[0][number]))
        full = layers[self.at].table.raw.shape[1] - 1
        ways[layers[self.at].at] = -1 if self.ways[number] == full else int(self.ways[number])
        for layer, edges in zip(layers[self.at + 1 :], self.edges[1:], strict=True):
            ways[layer.at] = int(layer.table.way[layer.entry[edges[number]]])
        return self.run.answers(ways)


def answers_through(explored: Explored, item: int, *, most: int, seed: int = 0) -> Iterator[Answers]:
    """Yield answer sets on which the item holds and rows are in play, spread over the states where it holds.

    At most ``most`` of them per layer in which the item comes to hold.
    """
    run = explored.run
    if run.layout.items[item][1].when.always:
        playing = np.flatnonzero(np.array([explored.in_play(kind[0]) for kind in run.kinds])[run.kind_of])
        for number in np.random.default_rng(seed).permutation(playing)[:most]:
            yield run.example(int(number))
        return
    for paths in paths_through(explored, item, most=most, seed=seed):
        for number in range(len(paths)):
            yield paths.answers(number)


def paths_through(explored: Explored, item: int, *, most: int, seed: int = 0) -> Iterator[Paths]:
    """Yield, for each layer in which the item comes to hold, up to ``most`` such paths on which rows are in play."""
    chance = np.random.default_rng(seed)
    for at, layer in enumerate(explored.walked.layers):
        if item not in layer.table.items:
            continue
        table = layer.table
        holds = table.matched[:, :, table.items.index(item)] & (table.raw >= 0)
        held = np.zeros(len(table.counts), dtype=bool)
        held[table.raw[holds]] = True
        edges = _edges_by(held, explored, at, most=most, chance=chance)
        if len(edges):
            ways = _held_ways(holds, layer, edges=edges, chance=chance)
            yield Paths(explored.run, at, ways, _onward(explored, at, edges=edges, chance=chance))


def _edges_by(
    held: NDArray[np.bool_], explored: Explored, at: int, *, most: int, chance: np.random.Generator
) -> Column:
    """Return up to ``most`` edges of a layer whose entry is ``held``: drawn at random if that finds enough."""
    entry, leads_on = explored.walked.layers[at].entry, explored.leads_on[at]
    if len(entry) > most * DRAWN_FOR_ONE:
        drawn = chance.integers(len(entry), size=most * DRAWN_FOR_ONE)
        found = drawn[held[entry[drawn]] & leads_on[drawn]]
        first = np.sort(np.unique(found, return_index=True)[1])
        if len(first) >= most:
            return np.asarray(found[first[:most]])
    return chance.permutation(np.flatnonzero(held.take(entry) & leads_on))[:most]


def _held_ways(holds: NDArray[np.bool_], layer: Layer, *, edges: Column, chance: np.random.Generator) -> Column:
    """Return for each edge a way of answering that makes the item hold, since an entry may include other ways."""
    patterns = layer.pattern[layer.parent[edges]]
    fits = holds[patterns] & (layer.table.raw[patterns] == layer.entry[edges, None])
    return np.asarray(np.argmax(fits * chance.random(fits.shape), axis=1))


def _onward(explored: Explored, at: int, *, edges: Column, chance: np.random.Generator) -> list[Column]:
    """Return these edges, and for each later layer the edges of random continuations that keep rows in play."""
    layers = explored.walked.layers
    found = [edges]
    for number in range(at + 1, len(layers)):
        states = layers[number - 1].child[found[-1]]
        first, last = (layers[number].first_edge[states + more] for more in (0, 1))
        leads_on = explored.leads_on[number]
        drawn = chance.integers(first, last)
        for _ in range(ROUNDS):
            if leads_on[drawn].all():
                break
            drawn = np.where(leads_on[drawn], drawn, chance.integers(first, last))
        for path in np.flatnonzero(~leads_on[drawn]):
            drawn[path] = chance.choice(first[path] + np.flatnonzero(leads_on[first[path] : last[path]]))
        found.append(drawn)
    return found
