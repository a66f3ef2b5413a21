"""Validation of answers, and cached ways of answering each question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from widget.domain.quiz.condition import WAS_SKIPPED, Chosen
from widget.domain.quiz.questions import MULTI, Question

Answers = Mapping[str, Sequence[str]]


class Refused(ValueError):
    """Raised for answers that the quiz does not accept.

    ``code`` is the code of the first problem; ``errors`` maps question ids to error messages. Neither repeats
    untrusted input.
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
    """One way of answering one question, and its effect on all rules.

    ``falsified``: the clauses it makes false. ``boosted``: the matching boost rows that depend on this question alone.
    ``adds``: the lanes of what those rows add to the scores. ``problem``: why the answer is not acceptable if the
    question is asked.
    """

    chosen: Chosen
    falsified: int
    boosted: int
    adds: int
    problem: tuple[str, str] | None = None


Made = Callable[[Question, Chosen, tuple[str, str] | None], Way]


class Asking:
    """A question and a cache of at most ``most`` ways of answering it.

    ``fitting`` holds the ways without a problem. Its entry for () is the way assumed for a question without an answer:
    hidden if the question has a condition, skipped if it is optional.
    """

    def __init__(self, question: Question, made: Made, most: int) -> None:
        self.question = question
        self.id = question.id
        self._made = made
        self._most = most
        self._ways: dict[tuple[str, ...], Way] = {}
        self.hidden = made(question, None, None)
        missing = None if question.optional else ("required", "an answer is required")
        self.unanswered = made(question, WAS_SKIPPED, missing)
        self.fitting: dict[tuple[str, ...], Way] = {}
        self._erase()

    def _erase(self) -> None:
        self._ways.clear()
        self.fitting.clear()
        if not self.question.show_if.always:
            self.fitting[()] = self.hidden
        elif self.question.optional:
            self.fitting[()] = self.unanswered

    def way(self, given: Sequence[str]) -> Way:
        """Return the way for these option ids. Raises Refused if they are not option ids of this question."""
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
        way = self._made(self.question, frozenset(given), unfit(self.question, given))
        if len(self._ways) >= self._most:
            self._erase()
        self._ways[tuple(given)] = way
        if not way.problem:
            self.fitting[tuple(given)] = way
        return way


def invalid(question: Question, given: Any) -> tuple[str, str] | None:
    """Return (code, message) if an answer is not a list or has unknown or repeated ids, else None.

    This applies to every answer, whether its question is asked or not.
    """
    if not isinstance(given, list | tuple) or not all(isinstance(item, str) for item in given):
        return "not_a_list", "answers must be lists of option ids (strings)"
    if any(item not in question.option_ids for item in given):
        return "unknown_option", "this is not an option of this question"
    if len(set(given)) != len(given):
        return "repeated_option", "an option appears twice"
    return None


def unfit(question: Question, given: Sequence[str]) -> tuple[str, str] | None:
    """Return (code, message) if an answer to a question that was asked breaks its rules, else None.

    The rules are: a single choice, min and max, and options that cannot be combined with others.
    """
    if question.kind != MULTI:
        return ("one_only", "select only one option") if len(given) > 1 else None
    if not question.only_ids.isdisjoint(given):
        return ("only_stands_alone", "this option cannot be combined with others") if len(given) > 1 else None
    if len(given) < question.least:
        return "too_few", f"select at least {question.least}"
    return ("too_many", f"select at most {question.most}") if len(given) > question.most else None
