"""Random answers that lead through a row: to look at what it does there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from widget.coverage.exact import Column
from widget.coverage.run import Answers, Run

if TYPE_CHECKING:
    from widget.coverage.back import Back


def answers_through(back: Back, item: int, *, most: int, seed: int = 0) -> Iterator[Answers]:
    """Up to ``most`` answer sets on which the item holds and rows are in play, spread over the states it is met in."""
    run = back.run
    chance = np.random.default_rng(seed)
    if run.frame.items[item][1].when.always:
        playing = np.flatnonzero(np.array([back.in_play(kind[0]) for kind in run.kinds])[run.kind_of])
        for number in chance.permutation(playing)[:most]:
            yield run.example(int(number))
        return
    for at, layer in enumerate(run.walked.layers):
        if item not in layer.table.items:
            continue
        table = layer.table
        holds = table.matched[:, :, table.items.index(item)] & (table.raw >= 0)
        held = np.zeros(len(table.counts), dtype=bool)
        held[table.raw[holds]] = True
        edges = np.flatnonzero(held.take(layer.entry) & back.leads_on[at])
        for edge in chance.permutation(edges)[:most]:
            pattern, entry = layer.pattern[layer.parent[edge]], layer.entry[edge]
            ways = np.flatnonzero(holds[pattern] & (table.raw[pattern] == entry))
            if len(ways):
                yield _completed(back, at, int(edge), _any(chance, ways), chance)


def _completed(back: Back, at: int, edge: int, way: int, chance: np.random.Generator) -> Answers:
    """The way there, this way of answering, and any way on that keeps rows in play."""
    run: Run = back.run
    layers = run.walked.layers
    ways = run.ways_back(at, edge)
    full = layers[at].table.raw.shape[1] - 1
    ways[layers[at].at] = -1 if way == full else way
    while layers[at].child[edge] >= 0 and at + 1 < len(layers):
        state = int(layers[at].child[edge])
        at += 1
        first, last = layers[at].first_edge[state], layers[at].first_edge[state + 1]
        edge = int(first + _any(chance, np.flatnonzero(back.leads_on[at][first:last])))
        ways[layers[at].at] = int(layers[at].table.way[layers[at].entry[edge]])
    return run.answers(ways)


def _any(chance: np.random.Generator, values: Column) -> int:
    """One of these, drawn as ``chance.choice`` draws it, at a fraction of its cost."""
    return int(values[chance.integers(len(values))])
