"""Sets of conditions as bits of one integer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import compress

from widget.domain.quiz.condition import Chosen, Condition, Term

_FLAGS = bytes.maketrans(b"01", b"\x00\x01")
_PLACES = tuple(tuple(place for place in range(8) if byte >> place & 1) for byte in range(256))


def flags(bits: int, size: int) -> bytes:
    """Return ``size`` bytes of 0 or 1, lowest bit first: the fastest selectors for itertools.compress."""
    return f"{bits:0{size}b}"[::-1].encode().translate(_FLAGS) if size else b""


def positions(bits: int) -> Iterator[int]:
    """Yield the positions of the set bits, lowest first. For sparse sets."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def places(bits: int) -> list[int]:
    """Return the positions of the set bits, lowest first. For large sets that are not sparse."""
    data = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
    return [8 * at + place for at in compress(range(len(data)), data) for place in _PLACES[data[at]]]


def mask(of: Iterable[int]) -> int:
    """Return the integer with the bits at these positions set."""
    result = 0
    for position in of:
        result |= 1 << position
    return result


class ConditionSet:
    """Many conditions evaluated at once.

    Clauses are arranged in planes: plane 0 holds the first clause of every condition, plane 1 the second clause of
    those that have one, and so on. Conditions are ordered by their number of clauses, most first, so that a
    condition has the same bit in each plane and ``or`` is a shift.
    """

    def __init__(self, conditions: Sequence[Condition]) -> None:
        self.order = sorted(range(len(conditions)), key=lambda index: -len(conditions[index].clauses))
        self.size = len(conditions)
        self._planes: list[tuple[int, int]] = []
        self._terms: dict[str, dict[Term, int]] = {}
        offset = 0
        deepest = max((len(condition.clauses) for condition in conditions), default=0)
        for depth in range(deepest):
            width = sum(len(condition.clauses) > depth for condition in conditions)
            self._planes.append((offset, (1 << width) - 1))
            for position in range(width):
                self._register(conditions[self.order[position]].clauses[depth], 1 << (offset + position))
            offset += width
        self.width = offset
        self._all = (1 << offset) - 1

    def _register(self, clause: tuple[Term, ...], bit: int) -> None:
        for term in clause:
            masks = self._terms.setdefault(term.field, {})
            masks[term] = masks.get(term, 0) | bit

    def fields(self) -> set[str]:
        return set(self._terms)

    def falsified(self, field: str, chosen: Chosen) -> int:
        """Return the clauses that this answer to this question makes false."""
        result = 0
        for term, bits in self._terms.get(field, {}).items():
            if not term.holds(chosen):
                result |= bits
        return result

    def standing(self, falsified: int) -> int:
        """Return the conditions (as bits, in ``order``) with at least one clause that was not made false.

        Bits of ``falsified`` from ``width`` on may belong to other sets and are ignored.
        """
        good = self._all ^ (self._all & falsified)
        result = 0
        for offset, width_mask in self._planes:
            result |= (good >> offset) & width_mask
        return result
