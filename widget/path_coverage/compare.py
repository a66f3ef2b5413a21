"""Comparison of two versions: what an edit changes on answer paths and on actual responses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from widget.domain.content.pack import PRODUCTS as PRODUCTS_OUTCOME
from widget.domain.content.pack import TIPS_ONLY
from widget.domain.engine.answers import Refused
from widget.domain.engine.code import asked_answers
from widget.domain.engine.evaluation import Evaluation, evaluate
from widget.domain.engine.live import Engine
from widget.domain.engine.rules import Rules
from widget.domain.quiz.condition import SKIPPED, Term
from widget.domain.quiz.paths import TooMany
from widget.path_coverage.check import check_paths
from widget.path_coverage.diagram import Diagram, changed_in_either
from widget.path_coverage.items import PRODUCTS, TIPS, side_of
from widget.path_coverage.layers import MAX_CLASSES, Progress, TooManyClasses
from widget.path_coverage.layout import OrderDiffers
from widget.path_coverage.paired import paired
from widget.path_coverage.report import Coverage, Finding
from widget.path_coverage.run import Answers, Kind, Run
from widget.path_coverage.sample import pair_answers
from widget.path_coverage.sampling import Sampling
from widget.path_coverage.side_by_side import example_of, same_for_shoppers
from widget.path_coverage.traffic import Traffic, traffic
from widget.path_coverage.ways import ways_of

MAX_EXAMPLES = 10
COMPARED = 4000
"""Number of paths sampled from each version if the two cannot be explored side by side."""
_SHARE = re.compile(r"[\d.,]+ ?%|[\d,]+ of [\d,]+")


@dataclass
class Comparison:
    """The differences between two versions.

    ``changed`` of ``paths`` have a different result (outcome, advice, products, their order, or tips), and so do
    ``responses_changed`` of ``responses`` (None: none were given). Reasons and match percentages do not count.
    ``exact`` False: paths were sampled, because there are too many or the order of questions differs.
    """

    paths: int
    changed: int
    exact: bool
    responses: int | None
    responses_changed: int | None
    products: dict[str, dict[str, int]]
    response_products: dict[str, dict[str, int]]
    examples: list[dict[str, Any]]
    new: list[Finding]
    fixed: list[Finding]
    before: Coverage = field(repr=False)
    after: Coverage = field(repr=False)
    traffic: Traffic | None = field(default=None, repr=False)

    def data(self) -> dict[str, Any]:
        return {
            "paths": self.paths,
            "changed": self.changed,
            "exact": self.exact,
            "responses": self.responses,
            "responses_changed": self.responses_changed,
            "products": self.products,
            "response_products": self.response_products,
            "examples": self.examples,
            "findings": {
                "new": [item.data() for item in self.new],
                "fixed": [item.data() for item in self.fixed],
            },
        }


def compare(
    before: Engine,
    after: Engine,
    responses: Iterable[Answers] | None = None,
    *,
    most: int = MAX_CLASSES,
    progress: Progress | None = None,
    first: Coverage | None = None,
) -> Comparison:
    """Compare two versions, or two states of one version, on all answer paths and on responses.

    ``first``: the path report of ``before``, if the caller already has it.
    """
    first = first or check_paths(before.rules.pack, before.catalog, most=most, progress=progress)
    lines = [first, check_paths(after.rules.pack, after.catalog, before=first, most=most, progress=progress)]
    try:
        runs = [_side_by_side(before, after, lines, group, most, progress) for group in (PRODUCTS, TIPS)]
        common = runs[0].paths
        names = [_Names(before.rules, after.rules, group) for group in (PRODUCTS, TIPS)]
        changed_common = _changed(runs, names)
        paths = lines[0].paths + lines[1].paths - common
        changed = changed_common + (lines[0].paths - common) + (lines[1].paths - common)
        candidates, exact = list(_changed_answers(runs, names, before, after)), all(item.exact for item in lines)
    except (TooMany, TooManyClasses, OrderDiffers):
        paths, changed, candidates = _by_sample(before, after)
        exact = False
    real = traffic(before, after, responses) if responses is not None else None
    keys = [{_key(finding): finding for finding in one.findings} for one in lines]
    return Comparison(
        paths=paths,
        changed=changed,
        exact=exact,
        responses=real.responses if real else None,
        responses_changed=real.changed if real else None,
        products=_before_after(lines[0].shown, lines[1].shown),
        response_products=_before_after(*map(dict, real.shown)) if real else {},
        traffic=real,
        examples=[example_of(before, after, *candidate) for candidate in candidates[:MAX_EXAMPLES]],
        new=[item for key, item in keys[1].items() if key not in keys[0]],
        fixed=[item for key, item in keys[0].items() if key not in keys[1]],
        before=lines[0],
        after=lines[1],
    )


def _key(finding: Finding) -> tuple[str, str]:
    """Return the identity of a finding, which ignores its number of paths and its place in the file."""
    return finding.code, _SHARE.sub("", finding.message)


def _before_after(one: dict[str, int], other: dict[str, int]) -> dict[str, dict[str, int]]:
    return {
        sku: {"before": one.get(sku, 0), "after": other.get(sku, 0)} for sku in [*one, *(other.keys() - one.keys())]
    }


# Paths -----------------------------------------------------------------------------------------------


def _side_by_side(
    before: Engine, after: Engine, coverage: list[Coverage], group: str, most: int, progress: Progress | None
) -> Run:
    known = paired(*(_run_of(item, group) for item in coverage))
    if known is not None:
        return known
    sides = [side_of(item.rules, item.catalog, group) for item in (before, after)]
    return Run(sides, most=most, progress=progress)


def _run_of(coverage: Coverage, group: str) -> Run | Sampling:
    return next(item.run for item in coverage.gone if item.side.group == group)


def shown_names(rules: Rules, group: str, kind: Kind) -> tuple[Any, ...]:
    """Return what a shopper sees of a kind, in terms common to both versions: outcome and products, or tips."""
    if group == TIPS:
        return tuple(rules.tips[place - len(rules.products)].id for place in kind.shown)
    if kind.ended is not None:
        row = rules.pack.triage[kind.ended]
        return row.outcome, row.advice
    advice = rules.pack.triage[kind.triage].advice if kind.triage is not None else None
    return (PRODUCTS_OUTCOME if kind.shown else TIPS_ONLY, advice, *(rules.products[place].sku for place in kind.shown))


def _words(rules: Rules) -> tuple[Any, ...]:
    """Return the meaning of the numbers in a kind: SKUs, tip ids, and outcomes and advice of triage rows."""
    pack = rules.pack
    triage = [(row.outcome, row.advice) for row in pack.triage]
    return [product.sku for product in rules.products], [tip.id for tip in rules.tips], triage


class _Names:
    """What shoppers see of each kind of a group, computed once per kind: thousands of pairs share few kinds."""

    def __init__(self, before: Rules, after: Rules, group: str) -> None:
        self._rules, self._group = (before, after), group
        self._alike = _words(before) == _words(after)
        self._known: tuple[dict[int, tuple[Kind, tuple[Any, ...]]], ...] = ({}, {})

    def pair(self, kinds: tuple[Kind, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
        return self._name(0, kinds[0]), self._name(1, kinds[1])

    def differs(self, kinds: tuple[Kind, ...]) -> bool:
        if self._alike and (kinds[0] is kinds[1] or kinds[0].same == kinds[1].same):
            return False
        one, other = self.pair(kinds)
        return one != other

    def _name(self, side: int, kind: Kind) -> tuple[Any, ...]:
        # Keyed by identity, since hashing a kind costs more than naming it. The cache keeps a reference to each kind,
        # so that no other object can get the same id.
        known = self._known[side].get(id(kind))
        if known is None:
            known = self._known[side][id(kind)] = kind, shown_names(self._rules[side], self._group, kind)
        return known[1]


def _changed(runs: list[Run], names: list[_Names]) -> int:
    """Return the number of common paths on which products, their order, the outcome, or tips change."""
    differs = [name.differs for name in names]
    by_group = [_changed_paths(run, item) for run, item in zip(runs, differs, strict=True)]
    if not by_group[0] or not by_group[1]:
        return sum(by_group)
    one, other = (Diagram(run, item) for run, item in zip(runs, differs, strict=True))
    return changed_in_either(one, other, lambda at: _joint_ways(runs, at))


def _changed_paths(run: Run, differs: Callable[[tuple[Kind, ...]], bool]) -> int:
    ends = [tuple(Kind(row, None, (), (), ()) for row in rows) for rows in run.walked.ends]
    total = sum(many for kinds, many in zip(run.kinds, run.totals, strict=True) if differs(kinds))
    return total + sum(many for kinds, many in zip(ends, run.walked.ended, strict=True) if differs(kinds))


def _joint_ways(runs: list[Run], at: int) -> tuple[list[int], Any, Any]:
    asks = [run.layout.asks[run.walked.layers[at].at] for run in runs]
    both = _ways(asks[0].question, tuple(dict.fromkeys([*asks[0].ways.terms, *asks[1].ways.terms])))
    places = []
    for ask in asks:
        columns = [both.terms.index(term) for term in ask.ways.terms]
        known = {row.tobytes(): way for way, row in enumerate(np.packbits(ask.ways.truth, axis=1))}
        places.append(np.array([known[row.tobytes()] for row in np.packbits(both.truth[:, columns], axis=1)]))
    return list(both.counts), places[0], places[1]


_ways = lru_cache(maxsize=64)(ways_of)


def _changed_answers(
    runs: list[Run], names: list[_Names], before: Engine, after: Engine
) -> Iterator[tuple[Answers, int]]:
    """Yield (answers, paths) of the changes that affect the most paths, one for each pair of results."""
    found: list[tuple[int, Answers]] = []
    for outcome, run in zip(names, runs, strict=True):
        best: dict[tuple[Any, ...], tuple[int, int]] = {}
        for at, kinds in enumerate(run.kinds):
            if outcome.differs(kinds):
                pair = outcome.pair(kinds)
                total, first = best.get(pair, (0, at))
                best[pair] = (total + run.totals[at], first)
        most = sorted(best.values(), reverse=True)[:MAX_EXAMPLES]
        found += [(total, run.example_of_kind(at)) for total, at in most]
        for end, rows in enumerate(run.walked.ends):
            if outcome.differs(tuple(Kind(row, None, (), (), ()) for row in rows)):
                found.append((run.walked.ended[end], run.example_of_end(end)))
    found.sort(key=lambda item: -item[0])
    yield from ((answers, total) for total, answers in found)
    yield from _one_sided(before, after)


def _one_sided(before: Engine, after: Engine) -> Iterator[tuple[Answers, int]]:
    """Yield answers that only one of the two versions accepts as they are."""
    if before.rules.pack.quiz.questions == after.rules.pack.quiz.questions:
        return
    for one, other in ((before, after), (after, before)):
        for answers in pair_answers(one.rules).answers:
            if _evaluated(one, answers) and not _evaluated(other, answers):
                yield answers, 0
                break


def _evaluated(engine: Engine, answers: Answers) -> Evaluation | None:
    """Return the evaluation, or None if these answers, exactly as given, are not a path of the quiz."""
    try:
        found = evaluate(engine.rules, engine.catalog, answers)
    except Refused:
        return None
    asked = asked_answers(engine.rules.pack.quiz, found.walk)
    return found if {name: sorted(item) for name, item in asked.items()} == _sorted(answers) else None


def _sorted(answers: Answers) -> Answers:
    return {name: sorted(answer) for name, answer in answers.items() if answer}


def _by_sample(before: Engine, after: Engine) -> tuple[int, int, list[tuple[Answers, int]]]:
    """Return (paths, changed, examples), estimated from paths sampled uniformly from each version.

    Used if there are too many paths, or if the order of questions differs.
    """
    changed: list[Answers] = []
    counts = []
    for one, other in ((before, after), (after, before)):
        terms = [term for item in side_of(other.rules, other.catalog, PRODUCTS).items for term in item.when.terms()]
        terms += [term for item in side_of(other.rules, other.catalog, TIPS).items for term in item.when.terms()]
        terms += [term for row in one.rules.pack.mappings for term in row.when.terms()]
        terms += _only_here(one.rules, other.rules)
        drawn = Sampling(side_of(one.rules, one.catalog, TIPS), drawn=COMPARED, apart=terms)
        alone = differing = 0
        for answers in drawn.answer_sets():
            common = _evaluated(other, answers) is not None
            alone += not common
            if not common or not same_for_shoppers(one, other, answers):
                differing += common
                changed.append(answers)
        counts.append((drawn.paths, alone / drawn.classes, differing / drawn.classes))
    (paths, missing, differs), (others, only, _) = counts
    return (
        round(paths + others * only),
        round(paths * (missing + differs) + others * only),
        [(answers, 0) for answers in changed],
    )


def _only_here(rules: Rules, other: Rules) -> list[Term]:
    """Return terms that distinguish the options that the other version does not have, and skipped questions."""
    found = []
    for question in rules.pack.quiz.questions:
        known = other.pack.quiz.by_id.get(question.id)
        gone = tuple(option for option in question.option_ids if known is None or option not in known.option_ids)
        found += [Term(question.id, "=", (option,)) for option in (*gone, *([SKIPPED] if question.optional else []))]
    return found
