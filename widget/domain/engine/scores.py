"""The scores alone, without choosing anything: what other rule engines stop at too."""

from __future__ import annotations

from itertools import compress

from widget.domain.engine.answers import Answers
from widget.domain.engine.rules import Rules


def product_scores(rules: Rules, answers: Answers) -> dict[str, int]:
    """The score of each product that a matched boost row names with a sum other than 0. Raises Refused."""
    scores = rules.scores(rules.walk(answers))
    return dict(compress(zip(rules.place, scores, strict=False), scores))
