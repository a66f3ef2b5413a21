"""Exact operations on long columns: finding equal rows, and summing integers without rounding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]
_SEED = 20240229
_PART = 21


def odd_numbers(count: int, seed: int = _SEED) -> NDArray[np.uint64]:
    """Return pseudo-random odd 64-bit numbers, the same for the same seed."""
    made = np.random.default_rng(seed).integers(0, 2**64, size=count, dtype=np.uint64, endpoint=False)
    return made | np.uint64(1)


def mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Mix the bits of each number (the finalizer of SplitMix64, Steele and others 2014)."""
    out = values.copy()
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        out ^= out >> np.uint64(shift)
        out *= np.uint64(factor)
    return out ^ (out >> np.uint64(31))


def hashed(columns: Sequence[Column], seed: int = _SEED) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each row. Adjacent columns may be given as one 2-D block."""
    total = np.zeros(len(columns[0]), dtype=np.uint64)
    sizes = [1 if column.ndim == 1 else column.shape[1] for column in columns]
    odd = iter(np.split(odd_numbers(sum(sizes), seed), np.cumsum(sizes)[:-1]))
    for column in columns:
        factors = next(odd)
        words = column.astype(np.uint64, copy=False)
        total += words * factors[0] if column.ndim == 1 else np.einsum("ij,j->i", words, factors)
    return mixed(total)


def equal_rows(columns: Sequence[Column]) -> tuple[Column, Column]:
    """Return the first position of each distinct row, and for each row the number of its distinct row.

    Exact: hash collisions are detected.
    """
    seed = _SEED
    while True:
        hashes = hashed(columns, seed)
        ordered = np.sort(hashes)
        if (ordered[1:] != ordered[:-1]).all():
            all_rows = np.arange(len(hashes))
            return all_rows, all_rows
        first, which = distinct(hashes)
        if all(np.array_equal(column[first][which], column) for column in columns):
            return first, which
        seed += 1  # Two different rows had the same hash, which happens once in billions of packs.


def distinct(values: Column) -> tuple[Column, Column]:
    """Return the first position of each distinct value, lowest value first, and for each value its number among them.

    The result is that of numpy.unique, which uses a stable sort for it and takes three times as long.
    """
    order = np.argsort(values)
    ordered = values[order]
    starts = np.ones(len(values), dtype=bool)
    starts[1:] = ordered[1:] != ordered[:-1]
    which = np.empty(len(values), dtype=np.int64)
    which[order] = np.cumsum(starts) - 1
    first = np.minimum.reduceat(order, np.flatnonzero(starts)) if len(order) else order
    return first, which


def sum_by(which: Column, values: Column, size: int) -> Column:
    """Return the sums of integers (0 or more) by group; exact up to 2^62, and beyond for Python ints (dtype object)."""
    if values.dtype == object:
        sums = np.zeros(size, dtype=object)
        np.add.at(sums, which, values)
        return sums
    if len(values) < 4096:
        sums = np.zeros(size, dtype=np.int64)
        np.add.at(sums, which, values)
        return sums
    total = np.zeros(size, dtype=np.int64)
    highest = int(values.max(initial=0))
    for shift in range(0, max(1, highest.bit_length()), _PART):
        part = (values >> shift) & ((1 << _PART) - 1)
        total += np.bincount(which, weights=part, minlength=size).astype(np.int64) << shift
    return total
