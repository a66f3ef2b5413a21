"""The scores alone, without choosing anything: what other rule engines stop at too."""

from __future__ import annotations

from widget.domain.engine.answers import Answers
from widget.domain.engine.evaluation import matched
from widget.domain.engine.rules import Rules
from widget.domain.engine.shelf import Shelf


def product_scores(rules: Rules, shelf: Shelf, answers: Answers) -> dict[str, int]:
    """The score of each product that a matched boost row names with a sum other than 0. Raises Refused."""
    found = matched(rules, shelf, answers)
    return {product.sku: score for product, score in zip(rules.products, found.scores, strict=False) if score}
