"""Random answers that lead through a row: to look at what it does there."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from widget.coverage.run import Answers, Run


def answers_through(run: Run, item: int, *, most: int, seed: int = 0) -> Iterator[Answers]:
    """Up to ``most`` answer sets on which the item holds, spread over the states it can be met in."""
    chance = np.random.default_rng(seed)
    if run.frame.items[item][1].when.always:
        size = len(run.kind_of)
        for number in chance.permutation(size)[:most]:
            yield run.example(int(number))
        return
    for at, layer in enumerate(run.walked.layers):
        if item not in layer.table.items:
            continue
        table = layer.table
        holds = table.matched[:, :, table.items.index(item)] & (table.raw >= 0)
        edges = np.flatnonzero(np.isin(layer.entry, table.raw[holds]))
        for edge in chance.permutation(edges)[:most]:
            pattern, entry = layer.pattern[layer.parent[edge]], layer.entry[edge]
            ways = np.flatnonzero(holds[pattern] & (table.raw[pattern] == entry))
            if len(ways):
                yield _completed(run, at, int(edge), int(chance.choice(ways)), chance)


def _completed(run: Run, at: int, edge: int, way: int, chance: np.random.Generator) -> Answers:
    """The way there, this way of answering, and any way on."""
    layers = run.walked.layers
    ways = run.ways_back(at, edge)
    full = layers[at].table.raw.shape[1] - 1
    ways[layers[at].at] = -1 if way == full else way
    while layers[at].child[edge] >= 0 and at + 1 < len(layers):
        state = int(layers[at].child[edge])
        at += 1
        edge = int(chance.integers(layers[at].first_edge[state], layers[at].first_edge[state + 1]))
        ways[layers[at].at] = int(layers[at].table.way[layers[at].entry[edge]])
    over = layers[at].at if layers[at].child[edge] < 0 else None
    return run.answers(ways, over)
