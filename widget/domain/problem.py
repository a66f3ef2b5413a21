"""Problems in content: what is wrong, where, and the nearest valid name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches

ERROR, WARNING, INFO = "error", "warning", "info"


@dataclass(frozen=True, slots=True)
class Problem:
    """``place`` leads from a file to the spot: ("quiz.yaml", "questions", 2, "show_if")."""

    severity: str
    place: tuple[str | int, ...]
    code: str
    message: str
    suggestion: str | None = None


def weighed(problem: Problem, checks: Mapping[str, str]) -> Problem | None:
    """The problem with the severity that ``checks`` of pack.yaml gives its code; None where it is off.

    Errors stay errors: what a pack may weigh are findings.
    """
    severity = checks.get(problem.code)
    if severity is None or problem.severity == ERROR:
        return problem
    return None if severity == "off" else replace(problem, severity=severity)


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The valid name that looks most like the word, if one does."""
    found = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def unknown_text(what: str, word: str, known: Iterable[str]) -> str:
    """``unknown option 'calfs' in question 'area', did you mean 'calves'?``"""
    names = list(known)
    suggestion = nearest(word, names)
    if suggestion is not None:
        return f"unknown {what} '{word}', did you mean '{suggestion}'?"
    listed = ", ".join(names[:12])
    return f"unknown {what} '{word}'" + (f" (known: {listed})" if listed and len(names) <= 12 else "")
