"""Findings of the path check based on what is shown on which paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace

from widget.domain.content.pack import HIDE, Pack
from widget.domain.engine.catalog import Catalog
from widget.domain.engine.rules import Rules
from widget.domain.quiz.condition import Condition
from widget.domain.quiz.questions import Question
from widget.path_coverage.backward import Backward
from widget.path_coverage.items import PRODUCTS, side_of
from widget.path_coverage.report import OFF, SEVERITIES, Coverage, Finding, SideRun, explore
from widget.path_coverage.run import Answers, Kind, Run
from widget.path_coverage.sample import answers_with
from widget.path_coverage.sampling import Sampling

OFTEN = 60
MAX_NAMED = 6
Place = tuple[str | int, ...]


class FindingCollector:
    """A factory of findings with the severity that the pack sets for their code; it omits those set to ``off``."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack

    def __call__(
        self, code: str, where: Place, message: str, example: Answers | None = None, paths: int = 0
    ) -> Iterator[Finding]:
        severity = self.pack.checks.get(code, SEVERITIES[code])
        if severity != OFF:
            yield Finding(code, severity, where, message, example, paths)


def share(paths: int, total: int) -> str:
    """Format a number of paths as a share of all answer paths (not of shoppers)."""
    if not total:
        return "0% of answer paths"
    percent = 100 * paths / total
    return f"{percent:.1f}% of answer paths" if percent >= 0.1 else f"{paths:,} of {total:,} answer paths"


def shown_findings(
    coverage: Coverage, rules: Rules, catalog: Catalog, product_side: SideRun, tip_side: SideRun
) -> Iterator[Finding]:
    """Yield findings about what is shown.

    These are paths without a product or tip, products and tips shown never or too often, empty slots, ties, and use of
    the fallback.
    """
    collect = FindingCollector(coverage.pack)
    yield from _without_product(collect, coverage, rules, catalog, product_side.run)
    yield from _without_tip(collect, coverage, tip_side.run)
    yield from _products(collect, coverage, rules, catalog, product_side.run)
    yield from _never_tips(collect, coverage)
    yield from _slots(collect, coverage, rules, product_side.run)
    yield from _ties(collect, coverage, rules, product_side.run)
    used = _where(product_side.run, lambda kind: kind.fallback)
    if used:
        message = f"the fallback is used on {share(used[0], coverage.paths)}"
        yield from collect("fallback_used", ("pack.yaml", "result", "fallback"), message, used[1], used[0])


def _where(run: Run | Sampling, holds: Callable[[Kind], bool]) -> tuple[int, Answers] | None:
    """Return (paths, example) for the kinds that satisfy ``holds``, or None if there are none."""
    found = [place for place, kind in enumerate(run.kinds) if holds(kind[0])]
    if not found:
        return None
    most = max(found, key=lambda place: run.totals[place])
    return sum(run.totals[place] for place in found), run.example_of_kind(most)


def _empty(kind: Kind) -> bool:
    return kind.triage is None and kind.ended is None and not kind.shown


def _without_product(
    collect: FindingCollector, coverage: Coverage, rules: Rules, catalog: Catalog, run: Run | Sampling
) -> Iterator[Finding]:
    """Yield findings about paths without a product.

    Paths on which safety exclusions leave nothing are intended; the others are gaps in the mappings.
    """
    empty = _where(run, _empty)
    if empty is None:
        return
    where: Place = ("pack.yaml", "result", "fallback")
    gaps = empty if not rules.pack.exclusions else _gaps(rules, catalog)
    if gaps:
        message = f"no product fits on {share(gaps[0], coverage.paths)}, and no fallback product fits either"
        yield from collect("path_without_product", where, message, gaps[1], gaps[0])
    if empty[0] > (gaps[0] if gaps else 0):
        paths = empty[0] - (gaps[0] if gaps else 0)
        message = f"safety exclusions leave no product on {share(paths, coverage.paths)}"
        yield from collect("path_without_safe_product", ("safety.yaml", "exclusions"), message, empty[1], paths)


def _gaps(rules: Rules, catalog: Catalog) -> tuple[int, Answers] | None:
    """Return (paths, example) of the paths without a product even without safety exclusions, or None.

    If there are too many paths to check them all, sampled paths are used.
    """
    open_rules = Rules(replace(rules.pack, exclusions=()))
    side = side_of(open_rules, Catalog(open_rules, feed=catalog.feed, blocked=catalog.blocked), PRODUCTS)
    return _where(explore(side).run, _empty)


def _without_tip(collect: FindingCollector, coverage: Coverage, run: Run | Sampling) -> Iterator[Finding]:
    found = _where(run, lambda kind: kind.ended is None and not kind.shown)
    if found:
        message = f"no tip is shown on {share(found[0], coverage.paths)}"
        yield from collect("path_without_tip", ("pack.yaml", "result", "fallback_tips"), message, found[1], found[0])


def _products(
    collect: FindingCollector, coverage: Coverage, rules: Rules, catalog: Catalog, run: Run | Sampling
) -> Iterator[Finding]:
    order = {product.sku: at for at, product in enumerate(coverage.pack.products)}
    for sku, paths in coverage.shown.items():
        where: Place = ("products.yaml", order[sku])
        if not paths:
            message = f"{sku} is never shown{_why_never(rules, catalog, sku)}"
            yield from collect("product_never_shown", where, message)
        elif 100 * paths > OFTEN * coverage.paths:
            place = rules.place[sku]
            example = _where(run, _shows(place))
            message = f"{sku} is shown on {share(paths, coverage.paths)}: check that it should fit nearly everyone"
            yield from collect("product_shown_often", where, message, example[1] if example else None, paths)


def _why_never(rules: Rules, catalog: Catalog, sku: str) -> str:
    bit = 1 << rules.place[sku]
    if not catalog.active & bit:
        return ": it is not active"
    if not catalog.free & bit:
        return ": it is blocked"
    if not catalog.certified & bit:
        return ": it has no certificate with a total THC within the limit"
    if not catalog.in_stock & bit and rules.pack.result.stock == HIDE:
        return ": it is out of stock"
    if not any(rules.names(at) & bit and row.weight > 0 for at, (_, row) in enumerate(rules.boosts.rows)):
        return ": no row adds to its score"
    return ": others always rank higher, or a rule excludes it"


def _never_tips(collect: FindingCollector, coverage: Coverage) -> Iterator[Finding]:
    for tip, paths in coverage.tips.items():
        if not paths:
            yield from collect("tip_never_shown", (f"tips/{tip}.md",), f"the tip '{tip}' is never shown")


def _slots(collect: FindingCollector, coverage: Coverage, rules: Rules, run: Run | Sampling) -> Iterator[Finding]:
    """Yield findings about slots that stay empty or are not full although products are shown."""
    for at, slot in enumerate(rules.pack.result.slots):
        found = _where(run, _lacks(at, slot.take))
        if found:
            shown = _where(run, lambda kind: bool(kind.shown) and not kind.fallback)
            always = shown is not None and shown[0] == found[0]
            what = "is never full" if always else f"is not full on {share(found[0], coverage.paths)}"
            where: Place = ("pack.yaml", "result", "slots", at)
            yield from collect("slot_empty", where, f"slot '{slot.id}' {what}", found[1], found[0])


def _shows(place: int) -> Callable[[Kind], bool]:
    return lambda kind: place in kind.shown


def _lacks(slot: int, take: int) -> Callable[[Kind], bool]:
    return lambda kind: bool(kind.shown) and not kind.fallback and kind.slots.count(slot) < take


def _ties(collect: FindingCollector, coverage: Coverage, rules: Rules, run: Run | Sampling) -> Iterator[Finding]:
    """Yield findings about ties, one for each product that wins some."""
    by_place: Counter[int] = Counter()
    best: dict[int, int] = {}
    for number, kind in enumerate(run.kinds):
        for place, tied in zip(kind[0].shown, kind[0].tied, strict=True):
            if tied:
                by_place[place] += run.totals[number]
                best.setdefault(place, number)
    order = {product.sku: at for at, product in enumerate(coverage.pack.products)}
    for place, paths in sorted(by_place.items()):
        sku = rules.products[place].sku
        message = (
            f"{sku} ranks above an equal product on {share(paths, coverage.paths)} only by its SKU: set a priority"
        )
        yield from collect(
            "tie_by_sku", ("products.yaml", order[sku]), message, run.example_of_kind(best[place]), paths
        )


def answer_findings(coverage: Coverage, rules: Rules, gone: list[SideRun]) -> Iterator[Finding]:
    """Yield findings about questions and options that change neither products, nor tips, nor the outcome."""
    collect, pack = FindingCollector(coverage.pack), coverage.pack
    backs = [item.backward for item in gone if isinstance(item.backward, Backward)]
    idle = set.intersection(*(back.idle_questions for back in backs))
    marks = [back.option_marks() for back in backs]
    elsewhere = {name for when in _other_conditions(pack) for name in when.fields()}
    elsewhere |= {pack.curve.question} if pack.curve else set()
    for at, question in enumerate(pack.quiz.questions):
        if question.id in elsewhere:
            continue
        if question.id in idle:
            message = f"no answer to '{question.id}' changes the result: remove the question, or use it in a mapping"
            yield from collect(
                "question_changes_nothing", ("quiz.yaml", "questions", at), message, None, coverage.paths
            )
            continue
        for same in _same_options(question, [mark.get(question.id, {}) for mark in marks]):
            listed = " and ".join(f"'{item}'" for item in same[:MAX_NAMED])
            more = f" and {len(same) - MAX_NAMED} more" if len(same) > MAX_NAMED else ""
            words = f"{listed}{more} lead to the same result" if question.most == 1 else f"{listed} changes no result"
            where: Place = ("quiz.yaml", "questions", at, "options", question.option_ids.index(same[0]))
            example = answers_with(rules, question.id, same[0])
            yield from collect("option_changes_nothing", where, f"question '{question.id}': {words}", example)


def _same_options(question: Question, marks: list[dict[str, int]]) -> list[list[str]]:
    """Return groups of options without a difference.

    For a single choice, options that lead to the same results are grouped together. For a multiple choice, each option
    that changes nothing is a group of its own.
    """
    if question.most > 1:
        return [[option] for option in question.option_ids if all(mark.get(option) == 0 for mark in marks)]
    together: dict[tuple[int | None, ...], list[str]] = {}
    for option in question.option_ids if marks[0] else ():
        together.setdefault(tuple(mark.get(option) for mark in marks), []).append(option)
    return [options for options in together.values() if len(options) > 1]


def _other_conditions(pack: Pack) -> Iterator[Condition]:
    for row in pack.summary:
        yield row.when
    for sequence in pack.sequences:
        for step in sequence.steps:
            yield step.when


def triage_findings(coverage: Coverage, product_side: SideRun) -> Iterator[Finding]:
    """Yield findings about triage rows that never decide the outcome."""
    collect, run = FindingCollector(coverage.pack), product_side.run
    deciding = {row for (row,) in run.walked.ends} | {kind[0].triage for kind in run.kinds}
    for at, row in enumerate(coverage.pack.triage):
        if at not in deciding:
            message = f"triage row '{row.id}' never applies: it never matches, or a row above it always matches first"
            yield from collect("triage_never_holds", ("safety.yaml", "triage", at), message)
