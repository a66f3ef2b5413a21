"""A compiled pack: everything that does not depend on stock, prices, or the shopper."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress, repeat
from operator import getitem

from widget.domain.catalog.target import Target, names_tips
from widget.domain.content.pack import ENDS_EARLY, EXCLUDE, PIN, REQUIRE, Exclusion, Mapping, Pack, Triage
from widget.domain.engine.answers import Answers, Asking, Refused, Way
from widget.domain.engine.bits import ConditionSet, flags, mask, positions
from widget.domain.engine.boosts import LANE, Boosts
from widget.domain.quiz.condition import Chosen
from widget.domain.quiz.questions import Question

MAX_WAYS = 4096
MAX_BITS = 1 << 25
"""Maximum number of cached ways of answering per question, and their maximum size in bits (4 MiB)."""

_NOTHING = repeat(())


@dataclass(frozen=True, slots=True)
class Pick:
    """An exclude, require, or pin row; ``entities`` is the bitset it applies to."""

    index: int
    row: Mapping
    entities: int


@dataclass(slots=True)
class Walk:
    """The result of going through the questions: a way per question, in order, and the row that ended the quiz.

    ``control``: the control conditions (show_if, triage, exclusions) that hold. ``falsified``: all clauses that an
    answer made false. ``adds``: the lanes of what boost rows on a single question add.
    """

    ways: tuple[Way, ...]
    ended_by: Triage | None
    control: int
    falsified: int
    adds: int


class Rules:
    """The compiled pack. Entities are the products (best priority first, then SKU), then the tips (by id)."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self.products = tuple(sorted(pack.products, key=lambda product: (-product.priority, product.sku)))
        self.tips = tuple(sorted(pack.tips, key=lambda tip: tip.id))
        self.place = {product.sku: index for index, product in enumerate(self.products)}
        self.tip_place = {tip.id: len(self.products) + index for index, tip in enumerate(self.tips)}
        self.all_products = (1 << len(self.products)) - 1
        self.entity_count = len(self.products) + len(self.tips)
        self._compile_control()
        self.boosts = Boosts(pack, self.entities, self.entity_count)
        self._compile_picks()
        self._compile_askings()
        self.slots = tuple((slot, self.entities(slot.from_) & self.all_products) for slot in pack.result.slots)
        self.rows = {row.id: row for row in pack.mappings}

    # Compiling ---------------------------------------------------------------------------------------

    def _compile_control(self) -> None:
        """Compile the control conditions (show_if, triage, and exclusions) into one small set."""
        pack, questions = self.pack, self.pack.quiz.questions
        conditions = [question.show_if for question in questions]
        conditions += [row.when for row in pack.triage] + [row.when for row in pack.exclusions]
        self.control = ConditionSet(conditions)
        bit = {index: 1 << position for position, index in enumerate(self.control.order)}
        self._show = tuple(0 if q.show_if.always else bit[i] for i, q in enumerate(questions))
        first = len(questions)
        self.triage_bits = tuple((bit[first + i], row) for i, row in enumerate(pack.triage))
        first += len(pack.triage)
        self.exclusion_bits = tuple(
            (bit[first + i], row, self.excluded_by(row)) for i, row in enumerate(pack.exclusions)
        )
        order = {question.id: index for index, question in enumerate(questions)}
        ends = [0] * len(questions)
        for row_bit, row in self.triage_bits:
            if row.outcome in ENDS_EARLY:
                for clause in row.when.clauses:
                    ends[max((order.get(term.field, 0) for term in clause), default=0)] |= row_bit
        self._ends = tuple(ends)
        later = 0
        laters = []
        for question in reversed(questions):
            laters.append(later)
            later |= self.control.falsified(question.id, None)
        self._later = tuple(reversed(laters))
        self._conditional = sum(self._show)
        self._ending = sum(row_bit for row_bit, row in self.triage_bits if row.outcome in ENDS_EARLY)

    def _compile_picks(self) -> None:
        rows = [(i, row) for i, row in enumerate(self.pack.mappings) if row.effect in (REQUIRE, EXCLUDE, PIN)]
        self._pick_set = ConditionSet([row.when for _, row in rows])
        in_order = (rows[index] for index in self._pick_set.order)
        self.picks = tuple(Pick(index, row, self.entities(row.target)) for index, row in in_order)

    def _compile_askings(self) -> None:
        """Lay out the clauses of all sets side by side in one integer: control, then picks, then joint boosts.

        The control clauses are followed by one bit per control condition, which is set when the question that the
        condition shows is answered or skipped.
        """
        questions = self.pack.quiz.questions
        steering = self.control.width + self.control.size
        self._steering = (1 << steering) - 1
        self._picks_at = steering
        self._joint_at = steering + self._pick_set.width
        self._shown_by = {question.id: bit for question, bit in zip(questions, self._show, strict=True)}
        bits = self._joint_at + self.boosts.joint.width + len(self.boosts.rows) + LANE * self.entity_count
        most = min(MAX_WAYS, MAX_BITS // (bits + 1))
        self.askings = tuple(Asking(question, self._way, most) for question in questions)
        self._question_ids = frozenset(self.pack.quiz.by_id)
        self._ids = tuple(question.id for question in questions)
        self._fitting = tuple(asking.fitting for asking in self.askings)

    def _way(self, question: Question, chosen: Chosen, problem: tuple[str, str] | None) -> Way:
        falsified = self.control.falsified(question.id, chosen)
        if chosen is not None:
            falsified |= self._shown_by[question.id] << self.control.width
        falsified |= self._pick_set.falsified(question.id, chosen) << self._picks_at
        falsified |= self.boosts.joint.falsified(question.id, chosen) << self._joint_at
        return Way(chosen, falsified, *self.boosts.own(question.id, chosen), problem)

    @cached_property
    def reasons(self) -> tuple[tuple[tuple[int, str], ...], ...]:
        """The boost rows with a reason of each entity, highest weight first: (position in boosts.rows, reason)."""
        found: list[list[tuple[int, int, int, str]]] = [[] for _ in range(self.entity_count)]
        for position, (index, row) in enumerate(self.boosts.rows):
            if row.weight > 0 and row.reason:
                for entity in positions(self.boosts.named[position]):
                    found[entity].append((-row.weight, index, position, row.reason))
        return tuple(tuple((position, reason) for *_, position, reason in sorted(rows)) for rows in found)

    def names(self, position: int) -> int:
        """Return the entities that the boost row at this position names."""
        return self.boosts.named[position]

    def entities(self, targets: Iterable[Target]) -> int:
        """Return the bitset of the products and tips that the targets name."""
        result = 0
        for target in targets:
            if target.kind == "tip":
                result |= mask(self.tip_place[tip] for tip in target.values if tip in self.tip_place)
            else:
                result |= mask(place for place, product in enumerate(self.products) if target.fits(product))
        return result

    def excluded_by(self, row: Exclusion) -> int:
        """Return the entities that a safety exclusion removes.

        Exclusions fail closed: ``contains:`` also removes products that do not declare their contents, and
        ``allergen:`` those that do not declare their allergens.
        """
        kinds = {target.kind for target in row.exclude}
        lacking = [name for kind, name in (("contains", "contains"), ("allergen", "allergens")) if kind in kinds]
        extra = (Target("lacks", tuple(lacking)),) if lacking and not names_tips(row.exclude) else ()
        return self.entities(row.exclude + extra)

    # Walking -----------------------------------------------------------------------------------------

    def walk(self, answers: Answers) -> Walk:
        """Go through the questions in order. Raises Refused with every problem found."""
        if not isinstance(answers, dict):
            raise Refused("not_an_object", {"answers": ["answers must map question ids to lists of option ids"]})
        return self._walk_straight(answers) or self._walk_in_order(answers)

    def _walk_straight(self, answers: Answers) -> Walk | None:
        """Return the walk without going through the questions in order, or None if that is not possible.

        It is possible if every answer is valid and in the cache, and every question without an answer is hidden or
        optional. Early ends, and whether exactly the questions shown were answered, are checked at the end. A condition
        has the same value there as when its question is reached, since it refers to earlier questions only.
        """
        if [*map(type, answers.values())].count(list) != len(answers):
            return None
        given: Iterable[Sequence[str]] = answers.values()
        if tuple(answers) != self._ids:
            if not self._question_ids.issuperset(answers):
                return None
            given = map(answers.get, self._ids, _NOTHING)
        try:
            ways = tuple(map(getitem, self._fitting, map(tuple, given)))
        except (KeyError, TypeError):
            return None
        walk = self._added_up(ways, None)
        answered = (walk.falsified & self._steering) >> self.control.width
        if walk.control & self._ending or (answered ^ walk.control) & self._conditional:
            return None
        return walk

    def _added_up(self, ways: tuple[Way, ...], ended: Triage | None) -> Walk:
        falsified = adds = 0
        for way in ways:
            falsified |= way.falsified
            adds += way.adds
        return Walk(ways, ended, self.control.standing(falsified), falsified, adds)

    def _walk_in_order(self, answers: Answers) -> Walk:
        seen = steering = 0
        ended: Triage | None = None
        refused = False
        ways: list[Way] = []
        for asking, show, ends, later in zip(self.askings, self._show, self._ends, self._later, strict=True):
            given = answers.get(asking.id)
            way = asking.unanswered
            if given is not None or asking.id in answers:
                seen += 1
                try:
                    way = asking.way(given)  # type: ignore[arg-type]  # asking.way refuses None
                except Refused:
                    refused = True
            if ended or (show and not self.control.standing(steering) & show):
                way = asking.hidden
            elif way.problem:
                refused = True
            ways.append(way)
            steering |= way.falsified & self._steering
            if ends and not ended:
                ended = self._ended(self.control.standing(steering | later) & ends)
        if refused or seen != len(answers):
            raise self._refusal(answers)
        return self._added_up(tuple(ways), ended)

    def _ended(self, standing: int) -> Triage | None:
        if not standing:
            return None
        return next(row for bit, row in self.triage_bits if bit & standing)

    def _refusal(self, answers: Answers) -> Refused:
        """Collect every problem; the slow path, taken only once something is wrong."""
        errors: dict[str, list[str]] = {}
        codes: list[str] = []
        known: dict[str, list[str]] = {}
        for name, _given in answers.items():
            if name not in self._question_ids:
                codes.append("unknown_question")
                errors.setdefault("answers", ["this quiz has no such question"])
        for asking in self.askings:
            try:
                if asking.id in answers:
                    asking.way(answers[asking.id])
                    known[asking.id] = list(answers[asking.id])
            except Refused as refused:
                codes.append(refused.code)
                errors.update(refused.errors)
        for asking, way in self.asked(known):
            if way.problem and asking.id not in errors:
                codes.append(way.problem[0])
                errors[asking.id] = [way.problem[1]]
        return Refused(codes[0], errors)

    def asked(self, answers: Answers) -> Iterable[tuple[Asking, Way]]:
        """Yield the questions asked on the path of these answers, each with its way, up to an early end."""
        falsified = 0
        for asking, show, ends, later in zip(self.askings, self._show, self._ends, self._later, strict=True):
            way = asking.way(answers[asking.id]) if asking.id in answers else asking.unanswered
            if show and not self.control.standing(falsified) & show:
                way = asking.hidden
            else:
                yield asking, way
            falsified |= way.falsified & self._steering
            if ends and self.control.standing(falsified | later) & ends:
                return

    # Results of a walk -------------------------------------------------------------------------------

    def scores(self, walk: Walk) -> Sequence[int]:
        """Return the score of every entity (step 4)."""
        return self.boosts.scores(walk.falsified >> self._joint_at, walk.adds)

    def boosted(self, walk: Walk) -> bytes:
        """Return whether each boost row matches, in the order of ``boosts.rows``."""
        return self.boosts.matched(walk.falsified >> self._joint_at, (way.boosted for way in walk.ways))

    def picked(self, walk: Walk) -> tuple[Pick, ...]:
        """Return the exclude, require, and pin rows that match."""
        standing = self._pick_set.standing(walk.falsified >> self._picks_at)
        return tuple(compress(self.picks, flags(standing, len(self.picks)))) if standing else ()
