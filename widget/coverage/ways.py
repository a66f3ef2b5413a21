"""The ways of answering one question that a set of terms tells apart, with how many answers each stands for."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from widget.domain.condition import SKIPPED, WAS_SKIPPED, Chosen, Term
from widget.domain.paths import MOST_KINDS, TooMany
from widget.domain.quiz import MULTI, Question

Bools = NDArray[np.bool_]
RANDOM_MIXTURES, MOST_PAIRS = 1000, 20_000


@dataclass(frozen=True)
class Ways:
    """``truth``: a row a way, a column a term; ``counts``: answers a way stands for (Python ints)."""

    question: Question
    terms: tuple[Term, ...]
    truth: Bools
    counts: tuple[int, ...]
    picked: tuple[tuple[str, ...], ...]
    kinds: tuple[tuple[str, ...], ...]
    """Options that no term tells apart; for several answers these are chosen or not chosen as one."""

    @cached_property
    def total(self) -> int:
        return sum(self.counts)

    def __len__(self) -> int:
        return len(self.counts)

    def place(self, chosen: Chosen) -> int:
        """The way that an answer belongs to."""
        row = np.array([term.holds(chosen) for term in self.terms], dtype=bool)
        return int(np.flatnonzero((self.truth == row).all(axis=1))[0])

    @cached_property
    def exchanges(self) -> list[tuple[tuple[str, str], int, int]]:
        """Every two options of a single choice, with the way of each."""
        of = {option: self.place(frozenset({option})) for option in self.question.option_ids}
        options = list(of)
        return [((a, b), of[a], of[b]) for at, a in enumerate(options) for b in options[at + 1 :]]

    @cached_property
    def additions(self) -> list[tuple[tuple[str, str], int, int]]:
        """Each option that can be added to a choice, with the way before and after, each pair of ways once.

        Before it may also stand nothing: skipped, or an option that stands alone ("none of these").
        """
        question = self.question
        by_truth = {row.tobytes(): at for at, row in enumerate(np.packbits(self.truth, axis=1))}
        either = np.array([(term.operator == "=") != term.negated for term in self.terms], dtype=bool)
        free = [
            at
            for at, picked in enumerate(self.picked)
            if picked != (SKIPPED,) and question.only_ids.isdisjoint(picked) and len(picked) < question.most
        ]
        nothing = [at for at, picked in enumerate(self.picked) if picked == (SKIPPED,)]
        nothing += [self.place(frozenset({option})) for option in question.only_ids]
        pairs = []
        for kind in self.kinds:
            alone = np.array([term.holds(frozenset({kind[0]})) for term in self.terms], dtype=bool)
            before = self.truth[free]
            grown = np.packbits(np.where(either, before | alone, before & alone), axis=1)
            steps = {(at, by_truth.get(row.tobytes(), at)) for at, row in zip(free, grown, strict=True)}
            if question.least == 1:
                steps |= {(at, by_truth[np.packbits(alone).tobytes()]) for at in nothing}
            pairs += [((option, ""), one, other) for option in kind for one, other in sorted(steps)]
        return pairs

    def answer(self, way: int) -> list[str]:
        """One answer of this way, as in ``recommend --answers``; empty for skipped."""
        return [] if self.picked[way] == (SKIPPED,) else list(self.picked[way])


def ways_of(question: Question, terms: Sequence[Term], *, sampled: bool = False) -> Ways:
    """All ways of answering. Raises TooMany where more than MOST_KINDS kinds of options can be mixed.

    ``sampled``: then each option alone, each pair, and random mixtures stand for all (with counts as estimates).
    """
    distinct = tuple(dict.fromkeys(terms))
    answers: list[tuple[tuple[str, ...], int]] = []
    if question.optional:
        answers.append(((SKIPPED,), 1))
    single = question.kind != MULTI
    free = [option for option in question.option_ids if single or option not in question.only_ids]
    kinds = _kinds(free, distinct)
    if single:
        answers += [((kind[0],), len(kind)) for kind in kinds]
    else:
        answers += [((option,), 1) for option in question.option_ids if option in question.only_ids]
        if len(kinds) > MOST_KINDS and not sampled:
            raise TooMany(question.id)
        mixtures = range(1, 1 << len(kinds)) if len(kinds) <= MOST_KINDS else _some_mixtures(len(kinds))
        answers += _mixtures(question, kinds, mixtures)
    truth = np.array([[_holds(term, picked) for term in distinct] for picked, _ in answers], dtype=bool)
    return _merged(question, distinct, truth.reshape(len(answers), len(distinct)), answers, kinds)


def _holds(term: Term, picked: tuple[str, ...]) -> bool:
    return term.holds(WAS_SKIPPED if picked == (SKIPPED,) else frozenset(picked))


def _kinds(options: Sequence[str], terms: Sequence[Term]) -> list[tuple[str, ...]]:
    by_truth: dict[tuple[bool, ...], list[str]] = {}
    for option in options:
        pattern = tuple(term.holds(frozenset({option})) for term in terms)
        by_truth.setdefault(pattern, []).append(option)
    return [tuple(kind) for kind in by_truth.values()]


def _some_mixtures(kinds: int) -> list[int]:
    """Each kind alone, each pair of kinds, and random ones, as bits; the same in each run."""
    chance = random.Random(kinds)  # noqa: S311  # A sample, no secret.
    alone = [1 << one for one in range(kinds)]
    pairs = [1 << one | 1 << other for one in range(kinds) for other in range(one)]
    mixed = [chance.getrandbits(kinds) or 1 for _ in range(RANDOM_MIXTURES)]
    return list(dict.fromkeys([*alone, *pairs[:MOST_PAIRS], *mixed]))


def _mixtures(
    question: Question, kinds: list[tuple[str, ...]], mixtures: Sequence[int]
) -> list[tuple[tuple[str, ...], int]]:
    """(one choice, number of choices) for each of these sets of kinds that min and max allow."""
    found = []
    limited = question.least > 1 or question.most < sum(map(len, kinds))
    for mixture in mixtures:
        some = [kind for place, kind in enumerate(kinds) if mixture >> place & 1]
        if len(some) > question.most or sum(map(len, some)) < question.least:
            continue
        count = _choices(some, question.least, question.most) if limited else _any_of_each(some)
        picked = [kind[0] for kind in some]
        if len(picked) < question.least:
            picked += [option for kind in some for option in kind[1:]][: question.least - len(picked)]
        found.append((tuple(option for option in question.option_ids if option in picked), count))
    return found


def _any_of_each(kinds: list[tuple[str, ...]]) -> int:
    count = 1
    for kind in kinds:
        count *= (1 << len(kind)) - 1
    return count


def _choices(kinds: list[tuple[str, ...]], least: int, most: int) -> int:
    """How many choices have at least one option of each kind, and from least to most options in all."""
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
    question: Question,
    terms: tuple[Term, ...],
    truth: Bools,
    answers: list[tuple[tuple[str, ...], int]],
    kinds: list[tuple[str, ...]],
) -> Ways:
    """Ways on which all terms agree are one."""
    if not terms:
        total = sum(count for _, count in answers)
        return Ways(question, terms, np.zeros((1, 0), dtype=bool), (total,), (answers[0][0],), tuple(kinds))
    first: dict[bytes, int] = {}
    counts: list[int] = []
    kept: list[int] = []
    packed = np.packbits(truth, axis=1)
    for at, (_, count) in enumerate(answers):
        key = packed[at].tobytes()
        if key not in first:
            first[key] = len(kept)
            kept.append(at)
            counts.append(count)
        else:
            counts[first[key]] += count
    return Ways(question, terms, truth[kept], tuple(counts), tuple(answers[at][0] for at in kept), tuple(kinds))
