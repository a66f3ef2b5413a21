"""Problems in content: what is wrong, where, and the closest valid name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

ERROR, WARNING, INFO = "error", "warning", "info"
FINDINGS = (
    *("path_without_product", "path_without_safe_product", "path_without_tip", "row_never_matches"),
    *("row_changes_nothing", "row_gives_reasons_only", "row_shadowed", "rows_contradict", "requires_empty"),
    *("rows_not_tried", "triage_never_holds", "product_never_shown", "product_shown_often", "tip_never_shown"),
    *("question_changes_nothing", "option_changes_nothing", "slot_empty", "tie_by_sku", "fallback_used"),
    *("outside_scale", "never_skipped", "unread_reason", "no_evidence", "unknown_day", "undeclared_form"),
    *("unused_form", "unused_tag", "unused_collection", "unused_ingredient", "unused_allergen", "unknown_file"),
    *("unquoted_comma", "match_estimated", "missing_translation", "stale_translation", "unknown_translation"),
    *("unused_locale", "claim", "missing_warning", "acceptance_lapsed", "no_claim_rules", "evidence_incomplete"),
    *("evidence_due", "certificate_old", "certificate_due", "catalog_drift"),
)
"""The codes whose severity ``checks`` in pack.yaml may change."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem in a pack. ``place`` is the path to it, from the file: ("quiz.yaml", "questions", 2, "show_if")."""

    severity: str
    place: tuple[str | int, ...]
    code: str
    message: str
    suggestion: str | None = None


def weighed(problem: Problem, checks: Mapping[str, str]) -> Problem | None:
    """Return the problem with the severity that ``checks`` in pack.yaml sets for its code, or None if set to ``off``.

    Errors stay errors: a pack may change the severity of findings only.
    """
    severity = checks.get(problem.code)
    if severity is None or problem.severity == ERROR:
        return problem
    return None if severity == "off" else replace(problem, severity=severity)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the valid name that is most similar to the word, or None."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def unknown_text(what: str, word: str, known: Iterable[str]) -> str:
    """Return a message such as ``unknown option 'calfs', did you mean 'calves'?``."""
    names = list(known)
    suggestion = nearest(word, names)
    if suggestion is not None:
        return f"unknown {what} '{word}', did you mean '{suggestion}'?"
    listed = ", ".join(names[:12])
    return f"unknown {what} '{word}'" + (f" (known: {listed})" if listed and len(names) <= 12 else "")
