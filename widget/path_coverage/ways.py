"""The ways of answering one question that a set of terms distinguishes, and the number of answers of each way."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import comb

import numpy as np
from numpy.typing import NDArray

from widget.domain.quiz.condition import SKIPPED, WAS_SKIPPED, Chosen, Term
from widget.domain.quiz.paths import MAX_KINDS, TooMany
from widget.domain.quiz.questions import MULTI, Question

Bools = NDArray[np.bool_]
RANDOM_CHOICES = 1000
Answer = tuple[tuple[str, ...], int, int]
"""(options, number of answers it represents, its kinds as bits)."""


@dataclass(frozen=True)
class Ways:
    """The ways of answering a question.

    ``truth``: one row per way, one column per term. ``counts``: the number of answers of each way (Python ints).
    ``picked``: an example answer of each way.
    """

    question: Question
    terms: tuple[Term, ...]
    truth: Bools
    counts: tuple[int, ...]
    picked: tuple[tuple[str, ...], ...]
    kinds: tuple[tuple[str, ...], ...]
    """Groups of options that no term distinguishes; a multiple choice contains a kind or not as a whole."""
    by_mixture: dict[int, int]
    """For a multiple choice: the way of each set of kinds, given as bits."""

    @cached_property
    def total(self) -> int:
        return sum(self.counts)

    def __len__(self) -> int:
        return len(self.counts)

    def place(self, chosen: Chosen) -> int:
        """Return the way that an answer belongs to."""
        row = np.array([term.holds(chosen) for term in self.terms], dtype=bool)
        return int(np.flatnonzero((self.truth == row).all(axis=1))[0])

    @cached_property
    def alone(self) -> dict[str, int]:
        """The way of each option that can be chosen alone."""
        question = self.question
        if question.kind == MULTI and question.least > 1:
            return {}
        return {option: self.place(frozenset({option})) for option in question.option_ids}

    @cached_property
    def additions(self) -> dict[str, list[tuple[int, int]]]:
        """For each option that can be added to a multiple choice: (way before, way after), each pair once.

        The way before may also be no choice: skipped, or an option that stands alone ("none of these").
        """
        question = self.question
        nothing = [at for at, picked in enumerate(self.picked) if picked == (SKIPPED,)]
        nothing += [self.alone[option] for option in question.only_ids if option in self.alone]
        found: dict[str, list[tuple[int, int]]] = {}
        for place, kind in enumerate(self.kinds):
            steps = {
                (way, self.by_mixture[mixture | 1 << place])
                for mixture, way in self.by_mixture.items()
                if not mixture >> place & 1
                and max(mixture.bit_count(), question.least) < question.most
                and mixture | 1 << place in self.by_mixture
            }
            if kind[0] in self.alone:
                steps |= {(way, self.alone[kind[0]]) for way in nothing}
            found |= {option: sorted(steps) for option in kind}
        return found

    def answer(self, way: int) -> list[str]:
        """Return an answer of this way, as for ``recommend --answers``; empty if skipped."""
        return [] if self.picked[way] == (SKIPPED,) else list(self.picked[way])


def ways_of(question: Question, terms: Sequence[Term], *, sampled: bool = False) -> Ways:
    """Return all ways of answering. Raises TooMany if more than MAX_KINDS kinds of options can be combined.

    ``sampled``: in that case, uniformly drawn random choices represent all choices.
    """
    distinct = tuple(dict.fromkeys(terms))
    answers: list[Answer] = []
    if question.optional:
        answers.append(((SKIPPED,), 1, 0))
    single = question.kind != MULTI
    free = [option for option in question.option_ids if single or option not in question.only_ids]
    kinds = _kinds(free, distinct)
    if single:
        answers += [((kind[0],), len(kind), 0) for kind in kinds]
    else:
        answers += [((option,), 1, 0) for option in question.option_ids if option in question.only_ids]
        if len(kinds) <= MAX_KINDS:
            answers += _mixtures(question, kinds)
        elif sampled:
            answers += _random_choices(question, free)
        else:
            raise TooMany(question.id)
    truth = np.array([[_holds(term, picked) for term in distinct] for picked, _, _ in answers], dtype=bool)
    return _merged(question, distinct, truth.reshape(len(answers), len(distinct)), answers, kinds)


def _holds(term: Term, picked: tuple[str, ...]) -> bool:
    return term.holds(WAS_SKIPPED if picked == (SKIPPED,) else frozenset(picked))


def _kinds(options: Sequence[str], terms: Sequence[Term]) -> list[tuple[str, ...]]:
    by_truth: dict[tuple[bool, ...], list[str]] = {}
    for option in options:
        pattern = tuple(term.holds(frozenset({option})) for term in terms)
        by_truth.setdefault(pattern, []).append(option)
    return [tuple(kind) for kind in by_truth.values()]


def _random_choices(question: Question, free: list[str]) -> list[Answer]:
    """Return RANDOM_CHOICES choices, drawn uniformly from those that min and max allow; the same in each run."""
    chance = random.Random(len(free))  # noqa: S311  # A sample, not a secret.
    sizes = range(question.least, min(question.most, len(free)) + 1)
    many = [comb(len(free), size) for size in sizes]
    share, rest = divmod(sum(many), RANDOM_CHOICES)
    found: list[Answer] = []
    for at, size in enumerate(chance.choices(sizes, weights=many, k=RANDOM_CHOICES)):
        chosen = set(chance.sample(free, size))
        picked = tuple(option for option in question.option_ids if option in chosen)
        found.append((picked, share + (at < rest), 0))
    return found


def _mixtures(question: Question, kinds: list[tuple[str, ...]]) -> list[Answer]:
    """Return (one choice, number of choices, kinds as bits) for each set of kinds that min and max allow."""
    found: list[Answer] = []
    limited = question.least > 1 or question.most < sum(map(len, kinds))
    for mixture in range(1, 1 << len(kinds)):
        some = [kind for place, kind in enumerate(kinds) if mixture >> place & 1]
        if len(some) > question.most or sum(map(len, some)) < question.least:
            continue
        count = _choices(some, question.least, question.most) if limited else _any_of_each(some)
        picked = [kind[0] for kind in some]
        if len(picked) < question.least:
            picked += [option for kind in some for option in kind[1:]][: question.least - len(picked)]
        found.append((tuple(option for option in question.option_ids if option in picked), count, mixture))
    return found


def _any_of_each(kinds: list[tuple[str, ...]]) -> int:
    count = 1
    for kind in kinds:
        count *= (1 << len(kind)) - 1
    return count


def _choices(kinds: list[tuple[str, ...]], least: int, most: int) -> int:
    """Return the number of choices of ``least`` to ``most`` options that include at least one option of each kind."""
    by_size = [1]
    for kind in kinds:
        row = _binomials(len(kind))
        grown = [0] * (len(by_size) + len(kind))
        for size, count in enumerate(by_size):
            for more, choices in enumerate(row[1:], 1):
                grown[size + more] += count * choices
        by_size = grown
    return sum(by_size[least : most + 1])


def _binomials(n: int) -> list[int]:
    row = [1]
    for k in range(n):
        row.append(row[-1] * (n - k) // (k + 1))
    return row


def _merged(
    question: Question, terms: tuple[Term, ...], truth: Bools, answers: list[Answer], kinds: list[tuple[str, ...]]
) -> Ways:
    """Merge the ways on which all terms agree."""
    first: dict[bytes, int] = {}
    counts: list[int] = []
    kept: list[int] = []
    by_mixture: dict[int, int] = {}
    packed = np.packbits(truth, axis=1)
    for at, (_, count, mixture) in enumerate(answers):
        way = first.setdefault(packed[at].tobytes(), len(kept))
        if way == len(kept):
            kept.append(at)
            counts.append(count)
        else:
            counts[way] += count
        if mixture:
            by_mixture[mixture] = way
    picked = tuple(answers[at][0] for at in kept)
    return Ways(question, terms, truth[kept], tuple(counts), picked, tuple(kinds), by_mixture)
