"""The report of the path check: the results of all paths, and findings with example answers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from widget.domain.content.pack import PRODUCTS, TIPS_ONLY, Pack
from widget.domain.content.problem import ERROR, INFO, WARNING
from widget.domain.engine.rules import Rules
from widget.domain.quiz.paths import TooMany
from widget.path_coverage.backward import Backward
from widget.path_coverage.items import Side
from widget.path_coverage.layers import MAX_CLASSES, Progress, TooManyClasses
from widget.path_coverage.run import Answers, Run
from widget.path_coverage.sampling import Sampling

SEVERITIES = {
    "path_without_product": ERROR,
    "path_without_safe_product": INFO,
    "path_without_tip": WARNING,
    "row_never_matches": WARNING,
    "row_changes_nothing": WARNING,
    "row_gives_reasons_only": INFO,
    "row_shadowed": WARNING,
    "rows_contradict": ERROR,
    "requires_empty": ERROR,
    "triage_never_holds": WARNING,
    "product_never_shown": WARNING,
    "product_shown_often": WARNING,
    "tip_never_shown": INFO,
    "question_changes_nothing": WARNING,
    "option_changes_nothing": INFO,
    "slot_empty": INFO,
    "tie_by_sku": INFO,
    "fallback_used": INFO,
    "rows_not_tried": INFO,
}
"""The default severity of each finding; ``checks`` in pack.yaml overrides it."""
OFF = "off"


@dataclass(frozen=True)
class Finding:
    """A finding of the path check.

    ``where``: the path to it, like ``place`` of a Problem. ``paths``: the number of answer paths it affects.
    """

    code: str
    severity: str
    where: tuple[str | int, ...]
    message: str
    example: Answers | None = None
    paths: int = 0

    def data(self) -> dict[str, Any]:
        where = "/".join(map(str, self.where))
        return {
            "code": self.code,
            "severity": self.severity,
            "where": where,
            "message": self.message,
            "example": self.example,
            "paths": self.paths,
        }


@dataclass
class SideRun:
    """An explored group of a pack: the run and its backward pass, which are the same object for sampled paths."""

    run: Run | Sampling
    backward: Backward | Sampling

    @property
    def exact(self) -> bool:
        return isinstance(self.run, Run)

    @property
    def side(self) -> Side:
        return self.run.layout.sides[0]


def explore(
    side: Side, most: int = MAX_CLASSES, progress: Progress | None = None, *, before: Run | None = None
) -> SideRun:
    """Explore all classes of a group, or randomly sampled paths (with a fixed seed) if there are too many classes.

    ``before``: the run of an earlier state, as for Run.
    """
    try:
        run = Run([side], most=most, progress=progress, before=before)
    except (TooMany, TooManyClasses):
        drawn = Sampling(side)
        return SideRun(drawn, drawn)
    return SideRun(run, Backward(run))


@dataclass
class Coverage:
    """The results of all answer paths of a pack.

    ``shown`` and ``tips`` count the paths that show each product or tip; ``rows`` those on which each row holds.
    ``exact`` False: the counts are estimates from a seeded sample; ``sureness`` describes their confidence in words.
    """

    pack: Pack
    paths: int
    classes: int
    exact: bool
    outcomes: dict[str, int]
    shown: dict[str, int]
    tips: dict[str, int]
    rows: dict[str, int]
    findings: list[Finding] = field(default_factory=list)
    sureness: str = ""
    gone: list[SideRun] = field(default_factory=list, repr=False)
    witnesses: dict[str, Answers] = field(default_factory=dict, repr=False)
    """For each row that changes results: answers for which it does."""

    @property
    def failed(self) -> bool:
        return any(finding.severity == ERROR for finding in self.findings)

    def data(self) -> dict[str, Any]:
        return {
            "paths": self.paths,
            "classes": self.classes,
            "exact": self.exact,
            "sureness": self.sureness,
            "outcomes": self.outcomes,
            "shown": self.shown,
            "tips": self.tips,
            "rows": self.rows,
            "findings": [finding.data() for finding in self.findings],
        }


def counted(
    pack: Pack, rules: Rules, products: Run | Sampling, tips: Run | Sampling
) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
    """Return the numbers of paths by outcome, by product shown, and by tip shown."""
    outcomes: Counter[str] = Counter()
    shown: Counter[str] = Counter({product.sku: 0 for product in pack.products})
    for kind, total in zip(products.kinds, products.totals, strict=True):
        outcomes[PRODUCTS if kind[0].shown else TIPS_ONLY] += total
        for place in kind[0].shown:
            shown[rules.products[place].sku] += total
    for (row,), total in zip(products.walked.ends, products.walked.ended, strict=True):
        outcomes[pack.triage[row].outcome] += total
    by_tip: Counter[str] = Counter({tip.id: 0 for tip in pack.tips})
    for kind, total in zip(tips.kinds, tips.totals, strict=True):
        for place in kind[0].shown:
            by_tip[rules.tips[place - len(rules.products)].id] += total
    return dict(outcomes), dict(shown), dict(by_tip)


def touched_rows(pack: Pack, gone: list[SideRun]) -> dict[str, int]:
    """Return for each mapping row the number of paths on which it holds and can have an effect."""
    rows = {row.id: 0 for row in pack.mappings}
    for entry in gone:
        for (_, item), total in zip(entry.run.layout.items, entry.backward.touched, strict=True):
            if item.row >= 0:
                rows[pack.mappings[item.row].id] = total
    return rows
