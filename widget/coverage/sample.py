"""Answer sets that together hold every pair of options, for quizzes with too many classes to go through."""

from __future__ import annotations

import random
from collections.abc import Iterator

from widget.coverage.run import Answers
from widget.domain.engine.answers import unfit
from widget.domain.engine.rules import Rules
from widget.domain.quiz import MULTI, Question

MOST_ANSWER_SETS = 3000
TRIES = 3
Choice = tuple[str, str]


def pair_answers(rules: Rules, seed: int = 1) -> Iterator[Answers]:
    """Answers to the quiz such that each two options that can be chosen together are, in one of them or another."""
    chance = random.Random(seed)  # noqa: S311  # A sample, no secret.
    choices = [(q.id, option) for q in rules.pack.quiz.questions for option in q.option_ids]
    seen: set[frozenset[Choice]] = set()
    made = 0
    for at, one in enumerate(choices):
        for other in choices[:at]:
            if one[0] == other[0] or frozenset({one, other}) in seen:
                continue
            for _ in range(TRIES):
                answers = _walk(rules, chance, {one, other})
                given = [(question, option) for question, chosen in answers.items() for option in chosen]
                seen |= {frozenset({a, b}) for i, a in enumerate(given) for b in given[:i]}
                made += 1
                yield answers
                if frozenset({one, other}) in seen or made >= MOST_ANSWER_SETS:
                    break
            if made >= MOST_ANSWER_SETS:
                return


def _walk(rules: Rules, chance: random.Random, wanted: set[Choice]) -> Answers:
    """Random answers from the first question on, with what is wanted where it is asked."""
    answers: Answers = {}
    by_id = rules.pack.quiz.by_id
    while True:
        asked = [asking.id for asking, _ in rules.asked({name: each for name, each in answers.items() if each})]
        following = next((name for name in asked if name not in answers), None)
        if following is None:
            return {name: each for name, each in answers.items() if each}
        needed = [option for name, option in wanted if name == following]
        answers[following] = _choose(by_id[following], needed, chance)


def _choose(question: Question, needed: list[str], chance: random.Random) -> list[str]:
    if question.kind != MULTI:
        return needed[:1] or [chance.choice(question.option_ids)]
    if needed and needed[0] in question.only_ids:
        return needed[:1]
    free = [option for option in question.option_ids if option not in question.only_ids and option not in needed]
    chance.shuffle(free)
    size = max(question.least, len(needed), chance.randint(0, min(question.most, len(free) + len(needed))) // 2, 1)
    chosen = (needed + free)[:size]
    alone = sorted(question.only_ids)
    if not needed and alone and chance.random() < 1 / 2:
        return alone[:1]
    return chosen if chosen and not unfit(question, chosen) else (alone[:1] or list(question.option_ids[:1]))
