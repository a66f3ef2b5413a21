"""Ways of answering a question, distinguished only as far as conditions require; and whether it is always asked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from math import prod

from widget.domain.quiz.condition import WAS_SKIPPED, Chosen, Condition, Term
from widget.domain.quiz.questions import MULTI, Question

MAX_KINDS = 16
MAX_PATHS = 200_000
Worth = Callable[[Chosen], int]


class TooMany(Exception):
    """Raised when there are too many ways of answering to enumerate them, as with many individually tested options."""


def representatives(
    question: Question, terms: Iterable[Term], worth: Worth | None = None, worth_terms: Iterable[Term] = ()
) -> list[tuple[Chosen, int]]:
    """Return, for each combination of truth values of the terms, the answer with the highest worth, and that worth.

    Not asked (None, worth 0) comes first. ``worth_terms`` are the terms that ``worth`` depends on. Options that no term
    distinguishes form one kind, and a multiple choice is represented by its kinds. Raises TooMany for more than
    MAX_KINDS kinds.
    """
    looked_at = list(dict.fromkeys(terms))
    best: dict[tuple[bool, ...], tuple[Chosen, int]] = {}
    for chosen in _ways(question, [*looked_at, *worth_terms]):
        pattern = tuple(term.holds(chosen) for term in looked_at)
        value = worth(chosen) if worth else 0
        if pattern not in best or value > best[pattern][1]:
            best[pattern] = (chosen, value)
    return [(None, 0), *best.values()]


def _ways(question: Question, terms: Sequence[Term]) -> Iterator[Chosen]:
    if question.optional:
        yield WAS_SKIPPED
    if question.kind != MULTI:
        yield from (frozenset({option_id}) for option_id in question.option_ids)
        return
    yield from (frozenset({option_id}) for option_id in question.option_ids if option_id in question.only_ids)
    kinds: dict[tuple[bool, ...], list[str]] = {}
    for option in question.option_ids:
        if option not in question.only_ids:
            kinds.setdefault(tuple(option in term.values for term in terms), []).append(option)
    if len(kinds) > MAX_KINDS:
        raise TooMany(question.id)
    yield from _mixtures(question, list(kinds.values()))


def _mixtures(question: Question, kinds: list[list[str]]) -> Iterator[Chosen]:
    """Yield, for each set of kinds, one choice with exactly these kinds that respects min and max, if there is one."""
    for mixture in range(1, 1 << len(kinds)):
        some = [kind for place, kind in enumerate(kinds) if mixture >> place & 1]
        chosen = [kind[0] for kind in some]
        if len(chosen) < question.least:
            chosen += [option for kind in some for option in kind[1:]][: question.least - len(chosen)]
        if question.least <= len(chosen) <= question.most:
            yield frozenset(chosen)


def always_asked(questions: Sequence[Question], name: str, enders: Iterable[Condition]) -> bool:
    """Return whether a question is asked on every path that does not end earlier.

    ``enders`` are the conditions that end the quiz early. Those that refer to questions on which showing this question
    does not depend are ignored, which can only make the check stricter. Questions with too many ways of answering, or
    too many paths, give False.
    """
    by_id = {question.id: question for question in questions}
    wanted = by_id[name]
    if wanted.show_if.always:
        return True
    involved = _closure(by_id, wanted.show_if.fields())
    earlier = [question for question in questions[: questions.index(wanted)] if question.id in involved]
    ends = [condition for condition in enders if condition.fields() <= {question.id for question in earlier}]
    conditions = [question.show_if for question in earlier] + ends + [wanted.show_if]
    terms = [term for condition in conditions for term in condition.terms()]
    try:
        ways = [representatives(item, [term for term in terms if term.field == item.id]) for item in earlier]
    except TooMany:
        return False
    if prod(len(way) - 1 for way in ways) > MAX_PATHS:
        return False
    return all(
        _is_asked(earlier, dict(_named(earlier, path)), ends, wanted) for path in product(*[w[1:] for w in ways])
    )


def _named(questions: Sequence[Question], path: Iterable[tuple[Chosen, int]]) -> Iterator[tuple[str, Chosen]]:
    for question, (chosen, _) in zip(questions, path, strict=True):
        yield question.id, chosen


def _is_asked(
    earlier: Sequence[Question], given: Mapping[str, Chosen], ends: Sequence[Condition], wanted: Question
) -> bool:
    """Return whether, on one path, the quiz ends before the question or the question is asked."""
    so_far: dict[str, Chosen] = {}
    for question in earlier:
        so_far[question.id] = given[question.id] if question.show_if.holds(so_far) else None
        if any(condition.holds(so_far) for condition in ends):
            return True
    return wanted.show_if.holds(so_far)


def _closure(by_id: Mapping[str, Question], names: set[str]) -> set[str]:
    """Return these questions and all questions that decide whether they are asked."""
    found: set[str] = set()
    fresh = names & by_id.keys()
    while fresh:
        found |= fresh
        fresh = {field for name in fresh for field in by_id[name].show_if.fields()} & by_id.keys() - found
    return found
