"""Going through the questions: what was asked, what was answered, where the quiz ends early."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from widget.domain.quiz.condition import WAS_SKIPPED, Chosen
from widget.domain.quiz.questions import MULTI, Question

Answers = Mapping[str, Sequence[str]]


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
    """One way of dealing with one question: what follows for all rules from this answer alone.

    ``falsified`` are the clauses it makes false, ``boosted`` the boost rows on this question alone that match, ``adds``
    the lanes of what those add. ``problem`` is set when the answer is not acceptable for a question that is asked.
    """

    chosen: Chosen
    falsified: int
    boosted: int
    adds: int
    problem: tuple[str, str] | None = None


Made = Callable[[Question, Chosen, tuple[str, str] | None], Way]


class Asking:
    """One question with the ways of answering it met so far, ``most`` of them.

    ``fitting`` are those without a problem. Under () it holds what no answer comes to as long as nothing else is
    known: a question with a condition is hidden then.
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
        way = self._made(self.question, frozenset(given), unfit(self.question, given))
        if len(self._ways) >= self._most:
            self._erase()
        self._ways[tuple(given)] = way
        if not way.problem:
            self.fitting[tuple(given)] = way
        return way


def invalid(question: Question, given: Any) -> tuple[str, str] | None:
    """What no answer may be, asked or not: not a list, unknown or repeated ids."""
    if not isinstance(given, list | tuple) or not all(isinstance(item, str) for item in given):
        return "not_a_list", "answers must be lists of option ids (strings)"
    if any(item not in question.option_ids for item in given):
        return "unknown_option", "this is not an option of this question"
    if len(set(given)) != len(given):
        return "repeated_option", "an option appears twice"
    return None


def unfit(question: Question, given: Sequence[str]) -> tuple[str, str] | None:
    """What an answer to a question that was asked must keep to: one only, min, max, stands alone."""
    if question.kind != MULTI:
        return ("one_only", "choose only one option") if len(given) > 1 else None
    if not question.only_ids.isdisjoint(given):
        return ("only_stands_alone", "this option cannot be combined with others") if len(given) > 1 else None
    if len(given) < question.least:
        return "too_few", f"choose at least {question.least}"
    return ("too_many", f"choose at most {question.most}") if len(given) > question.most else None
