"""The path check of a pack, with its full report."""

from __future__ import annotations

from collections.abc import Iterator

from widget.domain.content.pack import Pack
from widget.domain.content.problem import ERROR, INFO, WARNING
from widget.domain.engine.catalog import Catalog
from widget.domain.engine.evaluation import evaluate
from widget.domain.engine.rules import Rules
from widget.path_coverage.findings import FindingCollector, answer_findings, shown_findings, triage_findings
from widget.path_coverage.items import PRODUCTS, TIPS, Side, side_of
from widget.path_coverage.layers import MAX_CLASSES, Progress
from widget.path_coverage.report import Coverage, Finding, SideRun, counted, explore, touched_rows
from widget.path_coverage.row_findings import row_findings
from widget.path_coverage.run import Run
from widget.path_coverage.sample import pair_answers
from widget.path_coverage.sampling import Sampling

_RANK = {ERROR: 0, WARNING: 1, INFO: 2}


def check_paths(
    pack: Pack,
    catalog: Catalog | None = None,
    *,
    before: Coverage | None = None,
    most: int = MAX_CLASSES,
    progress: Progress | None = None,
) -> Coverage:
    """Check all answer paths of a pack without errors, with ``catalog`` (default: the pack's own).

    ``before``: the report on an earlier state of the pack; results that an edit did not affect are reused.
    """
    rules = catalog.rules if catalog else Rules(pack)
    catalog = catalog or Catalog(rules)
    gone = [_gone(side_of(rules, catalog, group), before, most, progress) for group in (PRODUCTS, TIPS)]
    outcomes, shown, tips = counted(pack, rules, gone[0].run, gone[1].run)
    coverage = Coverage(
        pack=pack,
        paths=next((item for item in gone if item.exact), gone[0]).run.paths,
        classes=sum(item.run.classes for item in gone),
        exact=all(item.exact for item in gone),
        outcomes=outcomes,
        shown=shown,
        tips=tips,
        rows=touched_rows(pack, gone),
        sureness="Every answer path was checked.",
        gone=gone,
        witnesses=dict(before.witnesses) if before else {},
    )
    found = [] if coverage.exact else list(_look_at_pairs(coverage, rules, catalog))
    found += shown_findings(coverage, rules, catalog, *gone)
    found += [*row_findings(coverage, rules, catalog, gone), *triage_findings(coverage, gone[0])]
    found += answer_findings(coverage, rules, gone) if coverage.exact else ()
    coverage.findings = _in_order(found)
    return coverage


def _gone(side: Side, before: Coverage | None, most: int, progress: Progress | None) -> SideRun:
    known = next((item for item in before.gone if item.side.group == side.group), None) if before else None
    if known and known.side.made_of == side.made_of:
        return known
    return explore(side, most, progress, before=known.run if known and isinstance(known.run, Run) else None)


def _look_at_pairs(coverage: Coverage, rules: Rules, catalog: Catalog) -> Iterator[Finding]:
    """Evaluate answer sets that cover pairs of options, one by one, to find what the sample may have missed."""
    collect = FindingCollector(coverage.pack)
    pairs = pair_answers(rules)
    empty = None
    for answers in pairs.answers:
        found = evaluate(rules, catalog, answers)
        for shown in found.shown:
            sku = rules.products[shown.place].sku
            coverage.shown[sku] = coverage.shown[sku] or 1
        for place in found.tips:
            tip = rules.tips[place - len(rules.products)].id
            coverage.tips[tip] = coverage.tips[tip] or 1
        if not found.shown and found.triage is None and not found.exclusions:
            empty = empty or answers
    drawn = min(item.run.classes for item in coverage.gone if not item.exact)
    coverage.sureness = (
        f"There are too many classes to check individually: the counts are estimates from {drawn:,} answer paths "
        f"drawn uniformly and independently, with a fixed seed. Anything true of {300 / drawn:.4f}% of paths or more "
        f"was found with 95% certainty (rule of three). {len(pairs.answers):,} more answer sets cover {pairs.held:,} "
        f'of {pairs.possible:,} pairs of options; "never" means: found in neither.'
    )
    if empty and not _gap(coverage.gone[0].run):
        message = "no product fits these answers, and no fallback product fits either"
        yield from collect("path_without_product", ("pack.yaml", "result", "fallback"), message, empty, 1)


def _gap(run: Run | Sampling) -> bool:
    return any(kind[0].triage is None and kind[0].ended is None and not kind[0].shown for kind in run.kinds)


def _in_order(found: list[Finding]) -> list[Finding]:
    """Sort findings by severity, most severe first, then by file and place."""

    def key(finding: Finding) -> tuple[int, list[str], str]:
        return _RANK[finding.severity], [str(part).zfill(6) for part in finding.where], finding.code

    return sorted(found, key=key)
