"""The result of reading a pack: the pack, or its problems with file and line."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from widget.content.files import PackFiles
from widget.domain.content.pack import Pack
from widget.domain.content.problem import ERROR, Problem, weighed

Place = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Located:
    """A problem with its file and line."""

    problem: Problem
    file: str
    line: int

    def data(self) -> dict[str, Any]:
        problem = self.problem
        return {
            "severity": problem.severity,
            "file": self.file,
            "line": self.line,
            "code": problem.code,
            "message": problem.message,
            "suggestion": problem.suggestion,
        }


@dataclass
class Reading:
    """The result of reading: the pack (None if there are errors) and all problems, ordered by file and line."""

    pack: Pack | None
    problems: list[Located]
    files: PackFiles
    line: Callable[[Place], int] = field(default=lambda place: 1)
    """Returns the line of a place in its file."""

    def located(self, problem: Problem) -> Located:
        return Located(problem, str(problem.place[0]), self.line(problem.place))

    def add(self, problems: Iterable[Problem]) -> None:
        """Add problems found later, in order."""
        checks = self.pack.checks if self.pack else {}
        weighed_ones = [weighed(problem, checks) for problem in problems]
        self.problems += [self.located(weighed_one) for weighed_one in weighed_ones if weighed_one]
        self.problems.sort(key=lambda problem: (problem.file, problem.line, problem.problem.code))

    @property
    def errors(self) -> list[Located]:
        return [problem for problem in self.problems if problem.problem.severity == ERROR]


class Broken(ValueError):
    """A pack with errors where a valid one is needed."""

    code = "broken_pack"

    def __init__(self, problems: list[Located]) -> None:
        super().__init__(f"the pack has {len(problems)} errors")
        self.problems = problems


def problems_of(messages: Any, place: tuple[str | int, ...]) -> Iterator[Problem]:
    """Yield the leaves of marshmallow's message tree as problems."""
    if isinstance(messages, dict):
        for key, inner in messages.items():
            yield from problems_of(inner, place if key == "_schema" else (*place, key))
        return
    for message in messages if isinstance(messages, list) else [messages]:
        suggestion = getattr(message, "suggestion", None)
        code = "unknown_key" if str(message).startswith("unknown key") else "bad_value"
        spot = f"{place[-1]}: " if isinstance(place[-1], str) and len(place) > 1 else ""
        text = "is missing" if str(message) == "Missing data for required field." else str(message)
        yield Problem(ERROR, place, code, text if code == "unknown_key" else spot + text, suggestion)
