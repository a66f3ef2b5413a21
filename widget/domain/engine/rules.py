"""A pack compiled: everything that does not depend on stock, price or a shopper."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from widget.domain.engine.answers import Answers, Asking, Refused, Way
from widget.domain.engine.bits import ConditionSet, mask, positions
from widget.domain.pack import BOOST, ENDS_EARLY, EXCLUDE, PIN, REQUIRE, Exclusion, Mapping, Pack, Triage
from widget.domain.target import Target, names_tips

CONTROL, BOOSTS, PICKS = 0, 1, 2
LANE = 32
_BIAS = 1 << (LANE - 1)


@dataclass(frozen=True, slots=True)
class Pick:
    """A matched row that takes out, demands or puts first; ``entities`` is a bitset."""

    index: int
    row: Mapping
    entities: int


@dataclass(frozen=True, slots=True)
class Walk:
    """What going through the questions came to: a way per question, in order; the row that ended it."""

    ways: tuple[Way, ...]
    ended_by: Triage | None
    control: int


class Rules:
    """The compiled pack. Entities are the products (best priority first, then SKU), then the tips (by id)."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self.products = tuple(sorted(pack.products, key=lambda product: (-product.priority, product.sku)))
        self.tips = tuple(sorted(pack.tips, key=lambda tip: tip.id))
        self.place = {product.sku: index for index, product in enumerate(self.products)}
        self.tip_place = {tip.id: len(self.products) + index for index, tip in enumerate(self.tips)}
        self.all_products = (1 << len(self.products)) - 1
        self._compile_control()
        self._compile_boosts()
        self._compile_picks()
        sets = (self.control, self._boost_set, self._pick_set)
        self.askings = tuple(Asking(question, sets) for question in pack.quiz.questions)
        self._question_ids = frozenset(pack.quiz.by_id)
        self.slots = tuple((slot, self.entities(slot.from_) & self.all_products) for slot in pack.result.slots)
        self.rows = {row.id: row for row in pack.mappings}

    # Compiling ---------------------------------------------------------------------------------------

    def _compile_control(self) -> None:
        """show_if, triage and exclusions: what steers, as one small set."""
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

    def _compile_boosts(self) -> None:
        """Boost rows, grouped by the same entities; groups of one product add straight to its score."""
        rows = [(index, row) for index, row in enumerate(self.pack.mappings) if row.effect == BOOST]
        self._boost_set = ConditionSet([row.when for _, row in rows])
        self.boost_rows = tuple(rows[index] for index in self._boost_set.order)
        count = len(self.products) + len(self.tips)
        groups: dict[int, int] = {1 << entity: entity for entity in range(count)}
        adds, vectors = [], []
        self._named = [self.entities(row.target) for _, row in self.boost_rows]
        for (_, row), entities in zip(self.boost_rows, self._named, strict=True):
            if entities not in groups:
                groups[entities] = len(groups)
                vectors.append(sum(1 << (LANE * place) for place in positions(entities)))
            adds.append((groups[entities], row.weight))
        self.adds = tuple(adds)
        self.vectors = tuple(vectors)
        self.entity_count = count
        self.bias = sum(_BIAS << (LANE * place) for place in range(count))

    def _compile_picks(self) -> None:
        rows = [(i, row) for i, row in enumerate(self.pack.mappings) if row.effect in (REQUIRE, EXCLUDE, PIN)]
        self._pick_set = ConditionSet([row.when for _, row in rows])
        in_order = (rows[index] for index in self._pick_set.order)
        self.picks = tuple(Pick(index, row, self.entities(row.target)) for index, row in in_order)

    @cached_property
    def reasons(self) -> tuple[tuple[tuple[int, str], ...], ...]:
        """Per entity its boost rows with a reason, heaviest first: (position in boost_rows, reason)."""
        found: list[list[tuple[int, int, int, str]]] = [[] for _ in range(self.entity_count)]
        for position, (index, row) in enumerate(self.boost_rows):
            if row.weight > 0 and row.reason:
                for entity in positions(self._named[position]):
                    found[entity].append((-row.weight, index, position, row.reason))
        return tuple(tuple((position, reason) for *_, position, reason in sorted(rows)) for rows in found)

    def names(self, position: int) -> int:
        """The entities that the boost row at this position names."""
        return self._named[position]

    def entities(self, targets: Iterable[Target]) -> int:
        """The bitset of the products and tips that the targets name."""
        result = 0
        for target in targets:
            if target.kind == "tip":
                result |= mask(self.tip_place[tip] for tip in target.values if tip in self.tip_place)
            else:
                result |= mask(place for place, product in enumerate(self.products) if target.fits(product))
        return result

    def excluded_by(self, row: Exclusion) -> int:
        """A safety exclusion fails closed: ``contains:`` also takes what does not declare its contents.

        Likewise ``allergen:`` takes what does not declare its allergens.
        """
        kinds = {target.kind for target in row.exclude}
        lacking = [name for kind, name in (("contains", "contains"), ("allergen", "allergens")) if kind in kinds]
        extra = (Target("lacks", tuple(lacking)),) if lacking and not names_tips(row.exclude) else ()
        return self.entities(row.exclude + extra)

    # Walking -----------------------------------------------------------------------------------------

    def walk(self, answers: Answers) -> Walk:
        """Go through the questions in order. Raises Refused with everything that is wrong."""
        seen = falsified = 0
        ended: Triage | None = None
        refused = not isinstance(answers, dict)
        ways: list[Way] = []
        if refused:
            raise Refused("not_an_object", {"answers": ["answers map question ids to lists of option ids"]})
        for asking, show, ends, later in zip(self.askings, self._show, self._ends, self._later, strict=True):
            given = answers.get(asking.id)
            way = asking.unanswered
            if given is not None or asking.id in answers:
                seen += 1
                try:
                    way = asking.way(given)  # type: ignore[arg-type]  # None is refused in there
                except Refused:
                    refused = True
            if ended or (show and not self.control.standing(falsified) & show):
                way = asking.hidden
            elif way.problem:
                refused = True
            ways.append(way)
            falsified |= way.falsified[CONTROL]
            if ends and not ended:
                ended = self._ended(self.control.standing(falsified | later) & ends)
        if refused or seen != len(answers):
            raise self._refusal(answers)
        return Walk(tuple(ways), ended, self.control.standing(falsified))

    def _ended(self, standing: int) -> Triage | None:
        if not standing:
            return None
        return next(row for bit, row in self.triage_bits if bit & standing)

    def _refusal(self, answers: Answers) -> Refused:
        """The slow way through, once something is wrong: collect every problem."""
        errors: dict[str, list[str]] = {}
        codes: list[str] = []
        known: dict[str, list[str]] = {}
        for name, _given in answers.items():
            if name not in self._question_ids:
                codes.append("unknown_question")
                errors.setdefault("answers", ["a question that this quiz does not have"])
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
        """The questions that these answers lead past, each with its way; up to an early end."""
        falsified = 0
        for asking, show, ends, later in zip(self.askings, self._show, self._ends, self._later, strict=True):
            way = asking.way(answers[asking.id]) if asking.id in answers else asking.unanswered
            if show and not self.control.standing(falsified) & show:
                way = asking.hidden
            else:
                yield asking, way
            falsified |= way.falsified[CONTROL]
            if ends and self.control.standing(falsified | later) & ends:
                return

    def standing(self, walk: Walk, which: int) -> int:
        """The boost or pick rows that match, as bits."""
        falsified = 0
        for way in walk.ways:
            falsified |= way.falsified[which]
        return (self._boost_set if which == BOOSTS else self._pick_set).standing(falsified)
