"""Boost rows compiled: which of them match, and what they add up to for every entity.

A row that looks at one question only is settled with the answer to that question: what those rows add together is
part of the way of answering, worked out when the way is first met. Rows that look at several questions are a set of
conditions, asked for each answer set. Sums travel as one integer with a lane of 32 bits an entity.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from itertools import compress

from widget.domain.catalog.target import Target
from widget.domain.content.pack import BOOST, Mapping, Pack
from widget.domain.engine.bits import ConditionSet, flags, places, positions
from widget.domain.quiz.condition import Chosen

LANE = 32
MAX_LANES = 1 << 20
"""How many lanes joint rows may keep ready (4 MiB); beyond that their sums are made for each answer set."""

Rows = list[tuple[int, Mapping]]


class Boosts:
    """The boost rows of one pack. ``rows`` are (index in the pack, row): joint rows first, then the others.

    ``entities`` gives the bitset that targets name, ``count`` is the number of entities.
    """

    def __init__(self, pack: Pack, entities: Callable[[Iterable[Target]], int], count: int) -> None:
        rows = [(index, row) for index, row in enumerate(pack.mappings) if row.effect == BOOST]
        asked = pack.quiz.by_id
        joint: Rows = []
        own: dict[str, Rows] = {}
        always: Rows = []
        for index, row in rows:
            fields = row.when.fields()
            if row.when.always:
                always.append((index, row))
            elif len(fields) == 1 and fields <= asked.keys():
                own.setdefault(fields.pop(), []).append((index, row))
            else:
                joint.append((index, row))
        self.joint = ConditionSet([row.when for _, row in joint])
        self._start: dict[str, int] = {}
        self._own: dict[str, ConditionSet] = {}
        self.rows = [joint[at] for at in self.joint.order]
        for name, item in own.items():
            self._start[name] = len(self.rows)
            self._own[name] = ConditionSet([row.when for _, row in item])
            self.rows += [item[at] for at in self._own[name].order]
        self._always = ((1 << len(always)) - 1) << len(self.rows)
        self.rows += always
        self._count = count
        self._lanes = struct.Struct(f"<{count}i")
        self._bias = sum(1 << (LANE * place + LANE - 1) for place in range(count))
        self.named = [entities(row.target) for _, row in self.rows]
        self._group()
        self._ready = self._joint_lanes() if self.joint.size * count <= MAX_LANES else ()
        # With a bias on, no lane is below 0 and borrows from the next.
        self._constant = self._bias + self._total(self._adds[len(self.rows) - len(always) :])

    def _group(self) -> None:
        """Rows that name the same entities make a group; groups of one entity add straight to its score."""
        groups: dict[int, int] = {1 << entity: entity for entity in range(self._count)}
        adds, vectors = [], []
        for (_, row), entities in zip(self.rows, self.named, strict=True):
            if entities not in groups:
                groups[entities] = len(groups)
                vectors.append(sum(1 << (LANE * place) for place in positions(entities)))
            adds.append((groups[entities], row.weight))
        self._adds = tuple(adds)
        self._vectors = tuple(vectors)

    def _joint_lanes(self) -> tuple[int, ...]:
        """What each joint row adds, as lanes: only where there are not too many."""
        vectors = [1 << (LANE * place) for place in range(self._count)] + list(self._vectors)
        return tuple(weight * vectors[group] for group, weight in self._adds[: self.joint.size])

    def _total(self, adds: Iterable[tuple[int, int]]) -> int:
        """The lanes of what these add up to: (group, weight) each."""
        sums = [0] * (self._count + len(self._vectors))
        for group, weight in adds:
            sums[group] += weight
        # Two's complement lane by lane, turned into one sum of lanes that may borrow from each other.
        packed = int.from_bytes(self._lanes.pack(*sums[: self._count]), "little")
        total = (packed ^ self._bias) - self._bias
        for amount, vector in zip(sums[self._count :], self._vectors, strict=True):
            if amount:
                total += amount * vector
        return total

    def own(self, name: str, chosen: Chosen) -> tuple[int, int]:
        """(the rows on this question alone that match, as bits of ``rows``; the lanes of what they add)."""
        conditions = self._own.get(name)
        if conditions is None:
            return 0, 0
        standing = conditions.standing(conditions.falsified(name, chosen))
        start = self._start[name]
        adds = self._adds[start : start + conditions.size]
        return standing << start, self._total(compress(adds, flags(standing, conditions.size)))

    def scores(self, falsified: int, own: int) -> Sequence[int]:
        """The score of every entity, from the clauses of joint rows made false and the lanes of all other rows."""
        total = self._constant + own
        standing = self.joint.standing(falsified)
        if standing and self._ready:
            for place in places(standing):
                total += self._ready[place]
        elif standing:
            total += self._total(map(self._adds.__getitem__, places(standing)))
        # A lane with its bias bit turned is the score in two's complement.
        return self._lanes.unpack((total ^ self._bias).to_bytes(self._lanes.size, "little"))

    def matched(self, falsified: int, own: Iterable[int]) -> bytes:
        """Whether each of ``rows`` matches, from the clauses of joint rows made false and the bits of each way."""
        standing = self.joint.standing(falsified) | self._always
        for bits in own:
            standing |= bits
        return flags(standing, len(self.rows))
