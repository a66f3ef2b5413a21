"""The path check compared with the engine that serves requests: the same results on every path."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.support.packs import LEG_DAY
from tests.support.random_packs import BATCHES, MAX_PATHS, PACKS, every_path, random_pack
from widget.content.reader import read_pack
from widget.domain.catalog.product import Product
from widget.domain.catalog.target import Target
from widget.domain.content.pack import ENDS_EARLY, Mapping, Pack, ResultRules, Slot
from widget.domain.engine.evaluation import Evaluation, evaluate
from widget.domain.engine.live import Engine
from widget.domain.quiz.condition import parse_condition
from widget.domain.quiz.questions import SINGLE, Option, Question, Quiz
from widget.path_coverage.items import PRODUCTS, TIPS, side_of
from widget.path_coverage.run import Run


def brute(engine: Engine, group: str) -> Counter[tuple[Any, ...]] | None:
    counts: Counter[tuple[Any, ...]] = Counter()
    for number, answers in enumerate(every_path(engine)):
        if number > MAX_PATHS:
            return None
        counts[seen(evaluate(engine.rules, engine.catalog, answers), group)] += 1
    return counts


def seen(found: Evaluation, group: str) -> tuple[Any, ...]:
    rows = list(found.rules.pack.triage)
    row = rows.index(found.triage) if found.triage else None
    if found.triage and found.triage.outcome in ENDS_EARLY:
        return row, None, ()
    shown = tuple(item.place for item in found.shown) if group == PRODUCTS else found.tips
    return None, row, shown


def checked(run: Run) -> Counter[tuple[Any, ...]]:
    counts: Counter[tuple[Any, ...]] = Counter()
    for kind, total in zip(run.kinds, run.totals, strict=True):
        counts[kind[0].same] += total
    for (ended,), total in zip(run.walked.ends, run.walked.ended, strict=True):
        counts[ended, None, ()] += total
    return counts


@pytest.mark.parametrize("batch", range(BATCHES))
def test_path_check_of_random_packs_matches_the_result_of_each_request(batch: int, tmp_path: Path) -> None:
    looked = 0
    for seed in range(batch * PACKS, (batch + 1) * PACKS):
        engine = Engine.of(random_pack(seed, tmp_path))
        for group in (PRODUCTS, TIPS):
            expected = brute(engine, group)
            if expected is None:
                continue
            run = Run([side_of(engine.rules, engine.catalog, group)])
            assert checked(run) == expected, (seed, group)
            assert run.paths == sum(expected.values())
            for place, kind in enumerate(run.kinds):
                found = evaluate(engine.rules, engine.catalog, run.example_of_kind(place))
                assert seen(found, group) == kind[0].same, (seed, group, run.example_of_kind(place))
            for end, (ended,) in enumerate(run.walked.ends):
                found = evaluate(engine.rules, engine.catalog, run.example_of_end(end))
                assert seen(found, group)[0] == ended, (seed, run.example_of_end(end))
            looked += 1
    assert looked > PACKS


def large_pack() -> Pack:
    """Build a pack of a million classes.

    Ten questions of four options, 200 rows of up to three comparisons, and 40 products.
    """
    chance = random.Random(7)
    questions = tuple(
        Question(f"q{at}", SINGLE, "?", options=tuple(Option(f"o{n}", "x") for n in range(4))) for at in range(10)
    )
    products = tuple(
        Product(f"SKU-{at:02}", "p", form=f"f{at % 4}", product_id=f"g{at // 2}" if at < 8 else None)
        for at in range(40)
    )
    rows = []
    for at in range(200):
        asked = chance.sample(questions, chance.randint(1, 3))
        when = parse_condition(" & ".join(f"{item.id} = {chance.choice(item.option_ids)}" for item in asked))
        effect = chance.choice(["boost"] * 12 + ["exclude", "pin"])
        weight = chance.randint(-20, 80) or 1 if effect == "boost" else 0
        target = (Target(*chance.choice([("form", (f"f{at % 4}",)), ("sku", (f"SKU-{chance.randrange(40):02}",))])),)
        rows.append(Mapping(id=f"r{at}", when=when, effect=effect, target=target, weight=weight))
    rules = ResultRules(slots=(Slot("a"), Slot("b", 2)), fallback=("SKU-01",))
    return Pack("large", "large", quiz=Quiz(questions), result=rules, mappings=tuple(rows), products=products)


@pytest.mark.parametrize("pack", [large_pack(), read_pack(LEG_DAY).pack], ids=["large", "shipped"])
def test_path_check_of_large_packs_matches_requests_on_sampled_classes(pack: Pack) -> None:
    engine = Engine.of(pack)
    chance = random.Random(3)
    for group in (PRODUCTS, TIPS):
        run = Run([side_of(engine.rules, engine.catalog, group)])
        for number in chance.sample(range(len(run.kind_of)), min(1500, len(run.kind_of))):
            answers = run.example(number)
            found = evaluate(engine.rules, engine.catalog, answers)
            assert seen(found, group) == run.kinds[run.kind_of[number]][0].same, answers
