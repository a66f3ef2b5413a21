"""Conditions: ``area = calves|knees & soreness >= 7 & not warning = none or apply != rub-in``.

Grammar (content/README.md shows it for authors)::

    condition := "" | clause ("or" clause)*
    clause    := term ("&" term)*
    term      := ["not"] field operator value ("|" value)*
    operator  := "=" | "!=" | ">=" | "<=" | ">" | "<"

``&`` binds tighter than ``or``; there are no parentheses, so a condition is stored as a list of clauses.
"""

from __future__ import annotations

import dataclasses
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

SKIPPED = "skipped"
MAX_CHARACTERS, MAX_TERMS = 4000, 120
RESERVED = frozenset({SKIPPED, "or", "not"})
COMPARISONS: dict[str, Callable[[int, int], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
Chosen = frozenset[str] | None
"""What a shopper chose for one question: option ids, ``{"skipped"}``, or None if it was not asked."""

WAS_SKIPPED: Chosen = frozenset({SKIPPED})

_TOKEN = re.compile(r'\s*(?:(?P<op>!=|>=|<=|>|<|=)|(?P<mark>[&|])|(?P<word>(?:"[^"]*"|[^\s&|=<>!"])+))')
_WHOLE = re.compile(r"[+-]?\d{1,9}")


class ConditionError(ValueError):
    """Raised for a condition that cannot be parsed; ``at`` is the position (from 0) at which parsing stopped."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.message = message
        self.at = at


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison of a question (or a field of email conditions) with values."""

    field: str
    operator: str
    values: tuple[str, ...]
    negated: bool = False
    at: int = dataclasses.field(default=0, compare=False)

    def holds(self, chosen: Chosen) -> bool:
        """Return whether the term is true; every term on a question that was not asked is false."""
        if chosen is None:
            return False
        if self.operator == "=":
            found = not chosen.isdisjoint(self.values)
        elif self.operator == "!=":
            found = chosen.isdisjoint(self.values)
        else:
            found = self._compares(chosen)
        return found != self.negated

    def _compares(self, chosen: frozenset[str]) -> bool:
        if chosen == WAS_SKIPPED:
            return False
        compare = COMPARISONS[self.operator]
        return any(compare(int(point), int(self.values[0])) for point in chosen)

    def __str__(self) -> str:
        text = f"{self.field} {self.operator} {'|'.join(self.values)}"
        return f"not {text}" if self.negated else text


@dataclass(frozen=True, slots=True)
class Condition:
    """Clauses joined by ``or``, each a tuple of terms joined by ``&``. One empty clause is always true."""

    clauses: tuple[tuple[Term, ...], ...] = ((),)

    @property
    def always(self) -> bool:
        return self.clauses == ((),)

    def terms(self) -> Iterator[Term]:
        for clause in self.clauses:
            yield from clause

    def fields(self) -> set[str]:
        return {term.field for term in self.terms()}

    def holds(self, answers: dict[str, Chosen]) -> bool:
        """Return whether the condition holds for answers by field; a missing field counts as not asked."""
        return any(all(term.holds(answers.get(term.field)) for term in clause) for clause in self.clauses)

    def __str__(self) -> str:
        return " or ".join(" & ".join(map(str, clause)) for clause in self.clauses)


ALWAYS = Condition()


def parse_condition(text: str) -> Condition:
    """Parse a condition; empty text is always true. Raises ConditionError with the position of the error."""
    if not text.strip():
        return ALWAYS
    if len(text) > MAX_CHARACTERS:
        raise ConditionError(
            f"a condition can have at most {MAX_CHARACTERS:,} characters: split it into several rows", MAX_CHARACTERS
        )
    found = Condition(tuple(_Reader(text).clauses()))
    terms = list(found.terms())
    if len(terms) > MAX_TERMS:
        raise ConditionError(
            f"a condition can have at most {MAX_TERMS} comparisons: split it into several rows", terms[MAX_TERMS].at
        )
    return found


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(_tokens(text))
        self.next = 0

    def clauses(self) -> Iterator[tuple[Term, ...]]:
        yield self._clause()
        while self._take("word", "or"):
            yield self._clause()
        if self.next < len(self.tokens):
            raise ConditionError("expected '&' or 'or' here", self._at())

    def _clause(self) -> tuple[Term, ...]:
        terms = [self._term()]
        while self._take("mark", "&"):
            terms.append(self._term())
        return tuple(terms)

    def _term(self) -> Term:
        at = self._at()
        negated = self._take("word", "not")
        name = self._word("a question")
        if name.startswith("("):
            raise ConditionError("parentheses are not supported: use 'or', or another row", at)
        operator = self._operator(name)
        values = [self._value(operator)]
        while self._take("mark", "|"):
            if operator in COMPARISONS:
                raise ConditionError(f"'{operator}' takes one number, not a list", self._at())
            values.append(self._value(operator))
        return Term(name, operator, tuple(values), negated, at)

    def _operator(self, name: str) -> str:
        if self.next < len(self.tokens) and self.tokens[self.next][0] == "op":
            self.next += 1
            return self.tokens[self.next - 1][1]
        raise ConditionError(f"expected =, !=, >=, <=, > or < after '{name}'", self._at())

    def _value(self, operator: str) -> str:
        at = self._at()
        value = self._word("a value")
        if operator in COMPARISONS and not _WHOLE.fullmatch(value):
            raise ConditionError(f"'{operator}' needs a whole number, not '{value}'", at)
        return value

    def _word(self, what: str) -> str:
        if self.next < len(self.tokens):
            kind, text, at = self.tokens[self.next]
            if kind == "word" and text not in ("or", "not"):
                self.next += 1
                return text
            raise ConditionError(f"expected {what} here, not '{text}'", at)
        raise ConditionError(f"expected {what} at the end", self._at())

    def _take(self, kind: str, text: str) -> bool:
        found = self.next < len(self.tokens) and self.tokens[self.next][:2] == (kind, text)
        self.next += found
        return found

    def _at(self) -> int:
        return self.tokens[self.next][2] if self.next < len(self.tokens) else len(self.text)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    position = 0
    end = len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            at = position + len(text[position:]) - len(text[position:].lstrip())
            raise ConditionError(f"unexpected character '{text[at]}'", at)
        yield match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)
        position = match.end()
