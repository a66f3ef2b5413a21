"""Evaluation of recorded responses on two versions, once per distinct answer set."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from widget.domain.content.pack import ENDS_EARLY
from widget.domain.engine.answers import Refused
from widget.domain.engine.evaluation import Evaluation, evaluate
from widget.domain.engine.live import Engine
from widget.path_coverage.run import Answers
from widget.path_coverage.side_by_side import changing_rows, shown_to_shoppers

REFUSED = "refused"
ELSEWHERE = "the quiz itself"
"""The cause if no row differs: a question, a safety text, or the catalog changed."""


@dataclass
class Traffic:
    """Counts of responses.

    ``rows``: by mapping row of the later version, the responses on which it holds and can have an effect. ``causes``:
    the changed responses by the first row that differs. ``away``: those that ended early with advice ("see a doctor")
    in the earlier version, but not in the later one.
    """

    responses: int = 0
    changed: int = 0
    away: int = 0
    shown: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))
    outcomes: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))
    rows: Counter[str] = field(default_factory=Counter)
    causes: Counter[str] = field(default_factory=Counter)
    moved: Counter[str] = field(default_factory=Counter)
    """Changed responses by exact answers (``answers_key``)."""
    same: Counter[str] = field(default_factory=Counter)
    """All responses by exact answers (``answers_key``)."""


def answers_key(answers: Answers) -> str:
    """Return a canonical text of an answer set, independent of order."""
    return json.dumps({name: sorted(answer) for name, answer in answers.items() if answer}, sort_keys=True)


def traffic(before: Engine, after: Engine, responses: Iterable[Answers]) -> Traffic:
    """Evaluate the responses on both versions; responses with the same answers are evaluated once."""
    outcome = Traffic(same=Counter(map(answers_key, responses)))
    for text, count in outcome.same.items():
        outcome.responses += count
        _add(outcome, before, after, json.loads(text), count)
    return outcome


def _add(traffic: Traffic, before: Engine, after: Engine, answers: Answers, count: int) -> None:
    found = [_evaluated(engine, answers) for engine in (before, after)]
    seen = [shown_to_shoppers(item) if item else None for item in found]
    names = [item.outcome if item else REFUSED for item in found]
    for side in (0, 1):
        traffic.outcomes[side][names[side]] += count
        view = seen[side]
        traffic.shown[side].update(dict.fromkeys(view[1], count) if view else {})
    traffic.away += count * (names[0] in ENDS_EARLY and names[1] not in ENDS_EARLY)
    if found[1] is not None and names[1] not in ENDS_EARLY:
        traffic.rows.update(dict.fromkeys(found[1].matched_rows, count))
    if seen[0] != seen[1]:
        traffic.changed += count
        traffic.moved[answers_key(answers)] = count
        traffic.causes[next(iter(changing_rows(before, after, answers)), ELSEWHERE)] += count


def _evaluated(engine: Engine, answers: Answers) -> Evaluation | None:
    try:
        return evaluate(engine.rules, engine.catalog, answers)
    except Refused:
        return None
