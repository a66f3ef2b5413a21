"""Detection of walks with the same structure, in which class n of one is class n of the other.

An edit of a weight or a reason seldom changes which answers can be distinguished: the same questions are asked, and
every layer has the same states with the same edges. Then only classes affected by the edit can have a different result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from widget.path_coverage.layers import Layer, Walked
from widget.path_coverage.layout import Layout


def same_ways(one: Walked, other: Walked) -> bool:
    """Return whether the two walks have the same structure."""
    if _asked(one.layout) != _asked(other.layout) or len(one.layers) != len(other.layers):
        return False
    same = one.factor == other.factor and len(one.ends) == len(other.ends) and one.ended == other.ended
    return same and np.array_equal(one.counts, other.counts) and all(map(_same_layer, one.layers, other.layers))


def _asked(layout: Layout) -> list[Any]:
    """Return the questions, and the terms that distinguish their answers."""
    return [(ask.question.id, ask.question.option_ids, ask.ways.terms, ask.ways.counts) for ask in layout.asks]


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


def touched_classes(before: Walked, after: Walked) -> NDArray[np.bool_] | None:
    """Return for each class whether an item changed by an edit can hold there; all other classes keep their results.

    None if that cannot be determined: the walks differ in structure, the sides differ in their number of items or in
    more than their items, or a changed item always holds.
    """
    (one,), (other,) = before.layout.sides, after.layout.sides
    if len(one.items) != len(other.items) or one.setting != other.setting:
        return None
    changed = {at for at, (a, b) in enumerate(zip(one.items, other.items, strict=True)) if a != b}
    always = any(item.items[at].when.always for at in changed for item in (one, other))
    if always or not after.layers or not same_ways(before, after):
        return None
    touched = np.zeros(1, dtype=bool)
    for layers in zip(before.layers, after.layers, strict=True):
        layer = layers[1]
        edges = touched[layer.parent] | (_entries(layers[0], changed) | _entries(layer, changed))[layer.entry]
        touched = np.zeros(len(layer.made_by), dtype=bool)
        touched[layer.child[edges & (layer.child >= 0)]] = True
    return touched


def _entries(layer: Layer, items: set[int]) -> NDArray[np.bool_]:
    """Return the entries of the layer's table that make one of these items hold."""
    table = layer.table
    found = np.zeros(len(table.counts), dtype=bool)
    columns = [place for place, item in enumerate(table.items) if item in items]
    if columns:
        found[table.raw[table.matched[:, :, columns].any(axis=2) & (table.raw >= 0)]] = True
    return found
