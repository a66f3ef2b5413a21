"""Precision and recall of the claims lint on hand-labeled phrases, half of them harmless."""

from __future__ import annotations

import csv
from pathlib import Path

from widget.content.claim_rules import market_rules
from widget.domain.content.claims import ClaimText, claims_in

PHRASES = Path(__file__).parent / "claims" / "phrases.csv"


def judged() -> list[tuple[dict[str, str], bool]]:
    """Return each labeled phrase with whether the lint finds a claim in it."""
    market = market_rules("us")
    assert market is not None
    found = []
    with PHRASES.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            contains = frozenset(filter(None, row["contains"].split("|")))
            claim_text = ClaimText(
                row["text"],
                row["language"],
                contains,
                product=row["place"] in ("product", "reason"),
                quiet=row["place"] == "safety",
            )
            found.append((row, any(claims_in(claim_text, market))))
    return found


def test_claims_lint_finds_forbidden_phrases_and_accepts_harmless_ones() -> None:
    rows = judged()
    assert len(rows) >= 60
    for language in ("en", "es", "ar", "all"):
        mine = [(row["label"] == "forbidden", hit) for row, hit in rows if language in (row["language"], "all")]
        hits = sum(bad and hit for bad, hit in mine)
        precision = hits / max(1, sum(hit for _, hit in mine))
        recall = hits / max(1, sum(bad for bad, _ in mine))
        print(f"{language}: {len(mine)} phrases, precision {precision:.3f}, recall {recall:.3f}")
        assert precision >= 0.95, [row["text"] for row, hit in rows if hit and row["label"] == "fine"]
        assert recall >= 0.95, [row["text"] for row, hit in rows if not hit and row["label"] == "forbidden"]


def test_half_of_the_labeled_phrases_are_harmless() -> None:
    labels = [row["label"] for row, _ in judged()]
    assert abs(labels.count("fine") / len(labels) - 0.5) < 0.01
