"""Evaluation of answers into products and tips, following the twelve steps of the content format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

from widget.domain.content.pack import (
    DEMOTE,
    EXCLUDE,
    FALLBACK,
    HIDE,
    PIN,
    PRODUCTS,
    REQUIRE,
    SEVERITY,
    TIPS_ONLY,
    Exclusion,
    Triage,
)
from widget.domain.engine.answers import Answers
from widget.domain.engine.bits import flags, mask
from widget.domain.engine.catalog import Catalog
from widget.domain.engine.rules import Pick, Rules, Walk
from widget.domain.quiz.condition import Chosen

MAX_REASONS = 3


@dataclass(frozen=True, slots=True)
class Screening:
    """The live version's safety rules applied to answers given to an older version; the stricter result wins.

    ``exclusions`` are applied to the older version's product data. ``without_products`` (SKUs) and
    ``without_tips`` (ids) are what these exclusions remove according to the live version's data.
    """

    triage: Triage | None = None
    exclusions: tuple[Exclusion, ...] = ()
    without_products: frozenset[str] = frozenset()
    without_tips: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Shown:
    """A product in the result: its index among the products of the rules, and the slot it fills."""

    place: int
    slot: str


@dataclass(slots=True)
class Evaluation:
    """Everything known after evaluating one answer set. Bitsets are over the entities of ``rules``."""

    rules: Rules
    catalog: Catalog
    walk: Walk
    outcome: str
    triage: Triage | None
    shown: tuple[Shown, ...] = ()
    tips: tuple[int, ...] = ()
    tips_from_fallback: bool = False
    scores: Sequence[int] = ()
    picks: tuple[Pick, ...] = ()
    exclusions: tuple[tuple[Exclusion, int], ...] = ()
    screened_out: int = 0
    candidates: int = 0
    pinned: tuple[int, ...] = ()
    ranked: tuple[int, ...] = ()
    _boosted: bytes | None = None

    @property
    def boosted(self) -> bytes:
        """Whether each boost row matched, in the order of ``rules.boosts.rows``; empty after an early end.

        Computed on first use: many callers need to know what is shown, but not why.
        """
        if self._boosted is None:
            ended = SEVERITY[self.outcome] > SEVERITY[TIPS_ONLY]
            self._boosted = b"" if ended else self.rules.boosted(self.walk)
        return self._boosted

    @property
    def matched_rows(self) -> list[str]:
        """The ids of the mapping rows that match: boosts first, then require, exclude, and pin rows."""
        boosts = compress(self.rules.boosts.rows, self.boosted)
        return [row.id for _, row in boosts] + [pick.row.id for pick in self.picks]


def evaluate(rules: Rules, catalog: Catalog, answers: Answers, screening: Screening | None = None) -> Evaluation:
    """Evaluate one answer set. Pure: the same arguments give the same evaluation.

    Raises Refused for answers that the quiz does not accept.
    """
    walk = rules.walk(answers)
    triage = walk.ended_by or _tips_only(rules, walk)
    if screening and screening.triage and _severity(screening.triage) > _severity(triage):
        triage = screening.triage
    found = Evaluation(rules, catalog, walk, triage.outcome if triage else PRODUCTS, triage)
    if SEVERITY[found.outcome] > SEVERITY[TIPS_ONLY]:
        return found
    found.scores = rules.scores(walk)
    found.picks = rules.picked(walk)
    return decided(found, screening)


def decided(found: Evaluation, screening: Screening | None = None) -> Evaluation:
    """Apply steps 3 and 5 to 9, once it is known which rows match."""
    _gate(found, screening)
    if found.outcome == PRODUCTS:
        _rank(found)
        found.shown = _fill_slots(found) or _fall_back(found)
        if not found.shown:
            found.outcome = TIPS_ONLY
    _choose_tips(found)
    return found


def _severity(triage: Triage | None) -> int:
    return SEVERITY[triage.outcome] if triage else 0


def _tips_only(rules: Rules, walk: Walk) -> Triage | None:
    for bit, row in rules.triage_bits:
        if walk.control & bit and row.outcome == TIPS_ONLY:
            return row
    return None


def _gate(found: Evaluation, screening: Screening | None) -> None:
    """Determine the products that may be shown at all (step 3), and the tips that are not excluded."""
    rules = found.rules
    out = 0
    exclusions = []
    for bit, row, entities in rules.exclusion_bits:
        if found.walk.control & bit:
            exclusions.append((row, entities))
            out |= entities
    found.exclusions = tuple(exclusions)
    if screening:
        found.screened_out = _screened_out(rules, screening)
    kept = ~(out | found.screened_out)
    for pick in found.picks:
        if pick.row.effect == EXCLUDE:
            kept &= ~pick.entities
        elif pick.row.effect == REQUIRE:
            kept &= pick.entities | ~rules.all_products
    found.candidates = kept & (found.catalog.sellable | ~rules.all_products) & ((1 << rules.entity_count) - 1)


def _screened_out(rules: Rules, screening: Screening) -> int:
    out = mask(rules.place[sku] for sku in screening.without_products if sku in rules.place)
    out |= mask(rules.tip_place[tip] for tip in screening.without_tips if tip in rules.tip_place)
    for row in screening.exclusions:
        out |= rules.excluded_by(row)
    return out


def _rank(found: Evaluation) -> None:
    """Rank pinned products first, then by score, priority, and SKU (steps 4 to 6).

    Products are indexed in the order of priority and SKU.
    """
    rules, catalog, scores = found.rules, found.catalog, found.scores
    candidates = found.candidates & rules.all_products
    pinned: list[int] = []
    pins = sorted((pick for pick in found.picks if pick.row.effect == PIN), key=lambda pick: pick.index)
    for pick in pins:
        members = pick.entities & candidates & catalog.in_stock
        pinned += [place for place in _by_score(_places(found, members), scores) if place not in pinned]
    least = rules.pack.result.min_score
    in_stock = [p for p in _places(found, candidates & catalog.in_stock) if scores[p] >= least]
    ranked = pinned + [place for place in _by_score(in_stock, scores) if place not in pinned]
    if rules.pack.result.stock == DEMOTE:
        gone = [p for p in _places(found, candidates & ~catalog.in_stock) if scores[p] >= least]
        ranked += _by_score(gone, scores)
    found.pinned, found.ranked = tuple(pinned), tuple(ranked)


def _places(found: Evaluation, bits: int) -> Iterable[int]:
    count = len(found.rules.products)
    return compress(range(count), flags(bits, count))


def _by_score(places: Iterable[int], scores: Sequence[int]) -> list[int]:
    """Sort by score, highest first; equal scores keep their order, which is by priority, then SKU."""
    return sorted(places, key=scores.__getitem__, reverse=True)


def _fill_slots(found: Evaluation) -> tuple[Shown, ...]:
    """Fill the slots (step 7): no product twice, no two variants of one product."""
    shown: list[Shown] = []
    used: set[int] = set()
    groups: set[str] = set()
    for slot, fitting in found.rules.slots:
        left = slot.take
        for place in found.ranked:
            if not left:
                break
            group = found.catalog.groups[place]
            if place in used or not fitting >> place & 1 or (group is not None and group in groups):
                continue
            shown.append(Shown(place, slot.id))
            used.add(place)
            if group is not None:
                groups.add(group)
            left -= 1
    return tuple(shown)


def _fall_back(found: Evaluation) -> tuple[Shown, ...]:
    """Return the fallback products that pass steps 3 and 5, in list order (step 8)."""
    rules, catalog = found.rules, found.catalog
    allowed = found.candidates & rules.all_products
    if rules.pack.result.stock == HIDE:
        allowed &= catalog.in_stock
    places = [rules.place[sku] for sku in dict.fromkeys(rules.pack.result.fallback) if sku in rules.place]
    places = [place for place in places if allowed >> place & 1]
    places.sort(key=lambda place: not catalog.in_stock >> place & 1)
    shown: list[Shown] = []
    groups: set[str] = set()
    for place in places:
        group = catalog.groups[place]
        if group is None or group not in groups:
            shown.append(Shown(place, FALLBACK))
            groups.update([group] if group is not None else [])
    return tuple(shown[: sum(slot.take for slot, _ in rules.slots)])


def _choose_tips(found: Evaluation) -> None:
    """Choose the tips, or the fallback tips (step 9)."""
    rules = found.rules
    first, most = len(rules.products), rules.pack.result.max_tips
    allowed = [p for p in range(first, rules.entity_count) if found.candidates >> p & 1]
    found.tips = tuple(_by_score([p for p in allowed if found.scores[p] > 0], found.scores)[:most])
    if not found.tips:
        wanted = dict.fromkeys(rules.pack.result.fallback_tips)
        places = [rules.tip_place[tip] for tip in wanted if tip in rules.tip_place]
        found.tips = tuple([place for place in places if place in allowed][:most])
        found.tips_from_fallback = True


def reasons(found: Evaluation, place: int, slot: str | None = None) -> list[str]:
    """Return the reasons to show a product or tip (step 10): at most three sentences, highest weight first."""
    if slot == FALLBACK:
        fallback = found.rules.pack.result.fallback_reason
        return [fallback] if fallback else []
    texts: list[str] = []
    pins = sorted(found.picks, key=lambda pick: pick.index) if found.catalog.in_stock >> place & 1 else []
    for row, pick in ((pick.row, pick) for pick in pins):  # A pin has no effect on an out-of-stock product.
        if row.effect == PIN and row.reason and pick.entities >> place & 1 and row.reason not in texts:
            texts.append(row.reason)
    for position, reason in found.rules.reasons[place]:
        if len(texts) >= MAX_REASONS:
            break
        if found.boosted[position] and reason not in texts:
            texts.append(reason)
    return texts[:MAX_REASONS]


def screen(live: Rules, answers: Answers) -> Screening:
    """Apply the live version's triage and exclusions to answers given to an older version.

    Input is treated leniently: questions and options that the live quiz no longer has are ignored. Conclusions are
    strict: every answer counts, even to hidden questions.
    """
    chosen: dict[str, Chosen] = {}
    for question in live.pack.quiz.questions:
        known = frozenset(item for item in answers.get(question.id, ()) if item in question.option_ids)
        if known:
            chosen[question.id] = known
    worst = max((row for row in live.pack.triage if row.when.holds(chosen)), key=_severity, default=None)
    exclusions = tuple(row for row in live.pack.exclusions if row.when.holds(chosen))
    out = 0
    for row in exclusions:
        out |= live.excluded_by(row)
    return Screening(
        triage=worst,
        exclusions=exclusions,
        without_products=frozenset(sku for sku, place in live.place.items() if out >> place & 1),
        without_tips=frozenset(tip for tip, place in live.tip_place.items() if out >> place & 1),
    )
