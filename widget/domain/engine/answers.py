"""Going through the questions: what was asked, what was answered, where the quiz ends early."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from widget.domain.condition import WAS_SKIPPED, Chosen
from widget.domain.engine.bits import ConditionSet
from widget.domain.quiz import MULTI, Question

Answers = Mapping[str, Sequence[str]]
REMEMBERED_WAYS = 4096


class Refused(ValueError):
    """Answers that the quiz does not accept.

    ``code`` is that of the first problem; ``errors`` lists, per question id, what is wrong in words. Neither
    repeats what a stranger sent.
    """

    def __init__(self, code: str, errors: dict[str, list[str]]) -> None:
        super().__init__(code)
        self.code = code
        self.errors = errors

    @property
    def detail(self) -> str:
        return " ".join(f"{question}: {'; '.join(texts)}." for question, texts in self.errors.items())


@dataclass(frozen=True, slots=True)
class Way:
    """One way of dealing with one question, with the clauses it makes false in each set of conditions.

    ``problem`` is set when the answer is not acceptable for a question that is asked.
    """

    chosen: Chosen
    falsified: tuple[int, ...]
    problem: tuple[str, str] | None = None


class Asking:
    """One question with the ways of answering it met so far (bounded)."""

    def __init__(self, question: Question, sets: tuple[ConditionSet, ...]) -> None:
        self.question = question
        self.id = question.id
        self._sets = sets
        self._ways: dict[tuple[str, ...], Way] = {}
        self.hidden = self._way(None)
        missing = None if question.optional else ("required", "this question needs an answer")
        self.unanswered = self._way(WAS_SKIPPED, missing)

    def way(self, given: Sequence[str]) -> Way:
        """The way for these option ids. Raises Refused when they are not option ids of this question."""
        if isinstance(given, list | tuple):
            try:
                return self._ways[tuple(given)]
            except (KeyError, TypeError):
                pass
        return self._new(given)

    def _new(self, given: Any) -> Way:
        problem = invalid(self.question, given)
        if problem:
            raise Refused(problem[0], {self.id: [problem[1]]})
        if not given:
            return self.unanswered
        way = self._way(frozenset(given), unfit(self.question, given))
        if len(self._ways) >= REMEMBERED_WAYS:
            self._ways.clear()
        self._ways[tuple(given)] = way
        return way

    def _way(self, chosen: Chosen, problem: tuple[str, str] | None = None) -> Way:
        return Way(chosen, tuple(each.falsified(self.id, chosen) for each in self._sets), problem)


def invalid(question: Question, given: Any) -> tuple[str, str] | None:
    """What no answer may be, asked or not: not a list, unknown or repeated ids."""
    if not isinstance(given, list | tuple) or not all(isinstance(each, str) for each in given):
        return "not_a_list", "answers are lists of option ids, each a text"
    if any(each not in question.option_ids for each in given):
        return "unknown_option", "this is not an option of the question"
    if len(set(given)) != len(given):
        return "repeated_option", "an option is given twice"
    return None


def unfit(question: Question, given: Sequence[str]) -> tuple[str, str] | None:
    """What an answer to a question that was asked must keep to: one only, min, max, stands alone."""
    if question.kind != MULTI:
        return ("one_only", "choose one option only") if len(given) > 1 else None
    if not question.only_ids.isdisjoint(given):
        return ("only_stands_alone", "this option stands alone") if len(given) > 1 else None
    if len(given) < question.least:
        return "too_few", f"choose at least {question.least}"
    return ("too_many", f"choose at most {question.most}") if len(given) > question.most else None
