"""Compiled boost rows: which of them match, and the resulting score of every entity.

Rows that depend on a single question are decided by the answer to it: their sum is cached with the way of answering,
and computed when that way first occurs. Rows that depend on several questions (joint rows) form a set of conditions
that is evaluated for each answer set. Sums are passed around as one integer with one 32-bit lane per entity.
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
"""Maximum number of precomputed lanes of joint rows (4 MiB); above it, their sums are computed for each answer set."""

Rows = list[tuple[int, Mapping]]


class Boosts:
    """The boost rows of one pack. ``rows`` are (index in the pack, row): joint rows first, then the others.

    ``entities`` returns the bitset of entities that targets name; ``count`` is the number of entities.
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
        # With the bias added, no lane is negative, so none borrows from the next one.
        self._constant = self._bias + self._total(self._adds[len(self.rows) - len(always) :])

    def _group(self) -> None:
        """Group the rows that name the same entities; a group of one entity adds directly to its score."""
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
        """Return what each joint row adds, as lanes. Use only if there are at most MAX_LANES of them."""
        vectors = [1 << (LANE * place) for place in range(self._count)] + list(self._vectors)
        return tuple(weight * vectors[group] for group, weight in self._adds[: self.joint.size])

    def _total(self, adds: Iterable[tuple[int, int]]) -> int:
        """Return the sum of these (group, weight) pairs as lanes."""
        sums = [0] * (self._count + len(self._vectors))
        for group, weight in adds:
            sums[group] += weight
        # Convert separate two's complement lanes into one integer sum, in which lanes may borrow from each other.
        packed = int.from_bytes(self._lanes.pack(*sums[: self._count]), "little")
        total = (packed ^ self._bias) - self._bias
        for amount, vector in zip(sums[self._count :], self._vectors, strict=True):
            if amount:
                total += amount * vector
        return total

    def own(self, name: str, chosen: Chosen) -> tuple[int, int]:
        """Return the matching rows that depend on this question alone, as bits of ``rows``, and the lanes they add."""
        conditions = self._own.get(name)
        if conditions is None:
            return 0, 0
        standing = conditions.standing(conditions.falsified(name, chosen))
        start = self._start[name]
        adds = self._adds[start : start + conditions.size]
        return standing << start, self._total(compress(adds, flags(standing, conditions.size)))

    def scores(self, falsified: int, own: int) -> Sequence[int]:
        """Return the score of every entity.

        ``falsified``: the clauses of joint rows made false. ``own``: the summed lanes of rows on a single question.
        """
        total = self._constant + own
        standing = self.joint.standing(falsified)
        if standing and self._ready:
            for place in places(standing):
                total += self._ready[place]
        elif standing:
            total += self._total(map(self._adds.__getitem__, places(standing)))
        # A lane with its bias bit flipped is the score in two's complement.
        return self._lanes.unpack((total ^ self._bias).to_bytes(self._lanes.size, "little"))

    def matched(self, falsified: int, own: Iterable[int]) -> bytes:
        """Return for each of ``rows`` whether it matches.

        ``falsified``: the clauses of joint rows made false. ``own``: the ``boosted`` bits of each way.
        """
        standing = self.joint.standing(falsified) | self._always
        for bits in own:
            standing |= bits
        return flags(standing, len(self.rows))
