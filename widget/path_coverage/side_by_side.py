"""Results of one answer set in two versions, side by side as shoppers see them, and the rows that cause differences."""

from __future__ import annotations

from typing import Any

from widget.domain.catalog.target import names_tips
from widget.domain.engine.answers import Refused
from widget.domain.engine.evaluation import Evaluation, evaluate
from widget.domain.engine.live import Engine
from widget.domain.engine.result import Setting
from widget.path_coverage.items import PRODUCTS, TIPS
from widget.path_coverage.run import Answers


def visible_result(engine: Engine, answers: Answers) -> tuple[Any, ...] | None:
    """Return ((outcome, advice), products in order, tips in order), or None for answers that the version refuses."""
    try:
        return shown_to_shoppers(evaluate(engine.rules, engine.catalog, answers))
    except Refused:
        return None


def shown_to_shoppers(found: Evaluation) -> tuple[Any, ...]:
    """Return ((outcome, advice), products in order, tips in order)."""
    rules = found.rules
    tips = tuple(rules.tips[place - len(rules.products)].id for place in found.tips)
    advice = found.triage.advice if found.triage else None
    return (found.outcome, advice), tuple(rules.products[item.place].sku for item in found.shown), tips


def same_for_shoppers(before: Engine, after: Engine, answers: Answers) -> bool:
    return visible_result(before, answers) == visible_result(after, answers)


def example_of(before: Engine, after: Engine, answers: Answers, paths: int) -> dict[str, Any]:
    results = [_result(item, answers) for item in (before, after)]
    return {
        "answers": answers,
        "paths": paths,
        "before": results[0],
        "after": results[1],
        "rows": changing_rows(before, after, answers),
    }


def _result(engine: Engine, answers: Answers) -> dict[str, Any] | None:
    pack = engine.rules.pack
    try:
        return engine.recommend(answers, Setting("files", pack.id, 0, pack.default_locale))
    except Refused:
        return None


def changing_rows(before: Engine, after: Engine, answers: Answers) -> list[str]:
    """Return the rows that may have caused a change: those that hold in one version only, or differ between the two.

    Mapping rows count only for the group (products or tips) whose result changed; triage rows and exclusions always
    count.
    """
    lines = [visible_result(item, answers) for item in (before, after)]
    groups = set()
    if lines[0] is None or lines[1] is None:
        return []  # The quiz itself changed: one version refuses these answers.
    groups |= {PRODUCTS} if lines[0][:2] != lines[1][:2] else set()
    groups |= {TIPS} if lines[0][2] != lines[1][2] else set()
    one, other = (_holding(item, answers, groups) for item in (before, after))
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def _holding(engine: Engine, answers: Answers, groups: set[str]) -> dict[str, Any]:
    """Return the rows that hold, each with its content."""
    try:
        found = evaluate(engine.rules, engine.catalog, answers)
    except Refused:
        return {}
    rules = engine.rules
    rows = [row for (_, row), holds in zip(rules.boosts.rows, found.boosted, strict=False) if holds]
    rows += [pick.row for pick in found.picks]
    holding: dict[str, Any] = {
        row.id: (row.effect, row.target, row.weight)
        for row in rows
        if (TIPS if names_tips(row.target) else PRODUCTS) in groups
    }
    holding |= {row.id: row.exclude for row, _ in found.exclusions}
    return holding | ({found.triage.id: found.triage.outcome} if found.triage else {})
