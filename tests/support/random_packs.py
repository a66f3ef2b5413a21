"""Random packs, and the enumeration of all answer paths of a small pack."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from tests.contract.reference.packs import small_pack, write
from widget.content.reader import read_pack
from widget.domain.content.pack import Pack
from widget.domain.engine.answers import unfit
from widget.domain.engine.live import Engine
from widget.domain.quiz.questions import MULTI, Question

BATCHES, PACKS, MAX_PATHS = 6, 25, 3000


def every_path(engine: Engine) -> Iterator[dict[str, list[str]]]:
    """Yield each answer set once; only questions that are asked have answers."""
    todo: list[dict[str, list[str]]] = [{}]
    by_id = engine.rules.pack.quiz.by_id
    while todo:
        answers = todo.pop()
        given = {name: answer for name, answer in answers.items() if answer}
        asked = [asking.id for asking, _ in engine.rules.asked(given)]
        following = next((name for name in asked if name not in answers), None)
        if following is None:
            yield given
        else:
            todo += [{**answers, following: choice} for choice in _choices(by_id[following])]


def random_pack(seed: int, folder: Path) -> Pack:
    chance = random.Random(seed)
    write(small_pack(chance), folder / "pack", chance)
    pack = read_pack(folder / "pack").pack
    assert pack is not None
    return pack


def _choices(question: Question) -> list[list[str]]:
    ids = question.option_ids
    sets = [[o for o, on in zip(ids, bits, strict=True) if on] for bits in product([0, 1], repeat=len(ids))]
    if question.kind != MULTI:
        sets = [[item] for item in ids]
    allowed = [item for item in sets if item and not unfit(question, item)]
    return allowed + ([[]] if question.optional else [])
