"""The path check of a pack: the whole report."""

from __future__ import annotations

from widget.coverage.findings import answer_findings, shown_findings, triage_findings
from widget.coverage.layers import MOST_CLASSES, Progress
from widget.coverage.report import GOODS, TIPS, Coverage, Finding, Gone, counted, touched_rows
from widget.coverage.row_findings import row_findings
from widget.domain.engine.rules import Rules
from widget.domain.engine.shelf import Shelf
from widget.domain.pack import Pack
from widget.domain.problem import ERROR, INFO, WARNING

_RANK = {ERROR: 0, WARNING: 1, INFO: 2}


def check_paths(
    pack: Pack, shelf: Shelf | None = None, *, most: int = MOST_CLASSES, progress: Progress | None = None
) -> Coverage:
    """Go through all answer paths of a pack without errors, under the catalogue of ``shelf`` (the pack's own if None)."""
    rules = shelf.rules if shelf else Rules(pack)
    shelf = shelf or Shelf(rules)
    gone = [Gone.through(rules, shelf, group, most, progress) for group in (GOODS, TIPS)]
    outcomes, shown, tips = counted(pack, rules, gone[0].run, gone[1].run)
    told = Coverage(
        pack=pack,
        paths=gone[0].run.paths,
        classes=sum(each.run.classes for each in gone),
        exact=True,
        outcomes=outcomes,
        shown=shown,
        tips=tips,
        rows=touched_rows(pack, gone),
        sureness="Every answer path was checked.",
    )
    found: list[Finding] = [*shown_findings(told, rules, shelf, *gone)]
    found += [*row_findings(told, rules, shelf, gone), *answer_findings(told, gone), *triage_findings(told, gone[0])]
    told.findings = sorted(found, key=lambda each: (_RANK[each.severity], str(each.where[0]), each.where[1:], each.code))
    return told
