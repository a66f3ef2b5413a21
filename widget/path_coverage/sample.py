"""Answer sets that together cover as many pairs of options as possible, for packs with too many classes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from itertools import combinations

from widget.domain.engine.answers import unfit
from widget.domain.engine.rules import Rules
from widget.domain.quiz.questions import MULTI, Question
from widget.path_coverage.run import Answers

MAX_ANSWER_SETS = 3000
TRIES = 4
Choice = tuple[str, str]


@dataclass
class Pairs:
    """Answer sets that cover ``held`` of ``possible`` pairs of options.

    ``possible`` includes pairs that cannot occur because of hidden questions or of min and max.
    """

    answers: list[Answers] = field(default_factory=list)
    held: int = 0
    possible: int = 0


def pair_answers(rules: Rules, seed: int = 1) -> Pairs:
    """Return answer sets in which every two options occur together at least once, as far as possible."""
    chance = random.Random(seed)  # noqa: S311  # A sample, not a secret.
    wanted = _pairs(rules)
    seen: set[frozenset[Choice]] = set()
    pairs = Pairs(possible=len(wanted))
    for pair in wanted:
        for _ in range(TRIES if pair not in seen else 0):
            if len(pairs.answers) >= MAX_ANSWER_SETS:
                break
            answers = _walk(rules, chance, pair)
            given = [(question, option) for question, chosen in answers.items() for option in chosen]
            seen |= {frozenset(combination) for combination in combinations(given, 2)}
            pairs.answers.append(answers)
            if pair in seen:
                break
    pairs.held = sum(pair in seen for pair in wanted)
    return pairs


def answers_with(rules: Rules, question: str, option: str) -> Answers | None:
    """Return answers to the whole quiz that include an option; None if none were found."""
    chance = random.Random(1)  # noqa: S311  # An example, not a secret.
    for _ in range(TRIES * TRIES):
        answers = _walk(rules, chance, frozenset({(question, option)}))
        if option in answers.get(question, ()):
            return answers
    return None


def _pairs(rules: Rules) -> list[frozenset[Choice]]:
    choices = [(question, option) for question in rules.pack.quiz.questions for option in question.option_ids]
    found = []
    for (one, a), (other, b) in combinations(choices, 2):
        together = one.id != other.id or (one.most > 1 and one.only_ids.isdisjoint((a, b)))
        if together:
            found.append(frozenset({(one.id, a), (other.id, b)}))
    return found


def _walk(rules: Rules, chance: random.Random, pair: frozenset[Choice]) -> Answers:
    """Return random answers to the quiz, with the wanted options, and those that show their questions, where asked."""
    answers: Answers = {}
    by_id = rules.pack.quiz.by_id
    wanted = [*pair, *_shows(rules, pair, chance)]
    while True:
        asked = [asking.id for asking, _ in rules.asked({name: answer for name, answer in answers.items() if answer})]
        following = next((name for name in asked if name not in answers), None)
        if following is None:
            return {name: answer for name, answer in answers.items() if answer}
        needed = list(dict.fromkeys(option for name, option in wanted if name == following))
        answers[following] = _choose(by_id[following], needed, chance)


def _shows(rules: Rules, pair: frozenset[Choice], chance: random.Random) -> list[Choice]:
    """Return options that cause the questions of the pair to be asked."""
    found: list[Choice] = []
    names = [name for name, _ in pair]
    for name in names:
        clause = chance.choice(rules.pack.quiz.by_id[name].show_if.clauses)
        for term in clause:
            question = rules.pack.quiz.by_id[term.field]
            fits = [option for option in question.option_ids if term.holds(frozenset({option}))]
            if fits:
                found.append((term.field, chance.choice(fits)))
                names += [term.field] if len(names) < 20 else []
    return found


def _choose(question: Question, needed: list[str], chance: random.Random) -> list[str]:
    if question.kind != MULTI:
        return needed[:1] or [chance.choice(question.option_ids)]
    alone = sorted(question.only_ids)
    if needed and needed[0] in question.only_ids:
        return needed[:1]
    if not needed and alone and chance.random() < 1 / 2:
        return alone[:1]
    needed = [option for option in needed if option not in question.only_ids]
    free = [option for option in question.option_ids if option not in question.only_ids and option not in needed]
    chance.shuffle(free)
    size = max(question.least, len(needed), 1)
    chosen = (needed + free)[:size]
    return chosen if chosen and not unfit(question, chosen) else (alone[:1] or list(question.option_ids[:1]))
