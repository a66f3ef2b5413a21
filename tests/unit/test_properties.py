"""Properties that hold for every answer set and every pack, tested on generated examples."""

from __future__ import annotations

import json
from contextlib import suppress
from itertools import chain, combinations, product
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from widget.domain.catalog.product import Product
from widget.domain.catalog.target import Target
from widget.domain.content.pack import BOOST, EXCLUDE, Advice, Exclusion, Mapping, Pack, ResultRules, Slot, Tip, Triage
from widget.domain.engine.answers import Refused
from widget.domain.engine.evaluation import evaluate
from widget.domain.engine.highest import highest_score
from widget.domain.engine.live import Engine
from widget.domain.engine.result import Setting
from widget.domain.quiz.condition import parse_condition
from widget.domain.quiz.questions import MULTI, SCALE, SINGLE, Option, Question, Quiz

OPTIONS = ("a", "b", "c")
QUESTIONS = (
    Question("one", MULTI, "?", options=tuple(Option(item, item) for item in OPTIONS), max=2),
    Question(
        "two", SINGLE, "?", options=tuple(Option(item, item) for item in OPTIONS), show_if=parse_condition("one = a")
    ),
    Question("three", SCALE, "?", start=0, end=3),
    Question("four", SINGLE, "?", optional=True, options=tuple(Option(item, item) for item in OPTIONS)),
)
TERMS = ["one = a", "one != b|c", "two = b", "not two = a", "three >= 2", "three < 1", "four = skipped", "not four = c"]
conditions = st.lists(st.lists(st.sampled_from(TERMS), min_size=1, max_size=3), min_size=1, max_size=2).map(
    lambda clauses: parse_condition(" or ".join(" & ".join(clause) for clause in clauses))
)
targets = st.sampled_from(
    [
        (Target("all"),),
        (Target("sku", ("P1",)),),
        (Target("form", ("cream",)),),
        (Target("tag", ("x",)), Target("sku", ("P2",))),
    ]
)
rows = st.builds(
    lambda number, when, effect, target, weight: Mapping(
        id=f"r{number}",
        when=when,
        effect=effect,
        target=target,
        weight=weight if effect == BOOST else 0,
        reason="because",
    ),
    st.integers(0, 10**6),
    conditions,
    st.sampled_from([BOOST, BOOST, BOOST, EXCLUDE, "pin", "require"]),
    targets,
    st.integers(-20, 30).filter(bool),
)
PRODUCTS = (
    Product("P1", "One", "cream", tags=("x",), contains=("arnica",), stock=3),
    Product("P2", "Two", "salve", contains=(), stock=0),
    Product("P3", "Three", "cream", tags=("x",)),
    Product("P4", "Four", "spray", contains=(), product_id="g"),
    Product("P5", "Five", "spray", contains=(), product_id="g", priority=2),
)
TRIAGE = Triage("flag", parse_condition("three >= 3"), "see_doctor", Advice("Stop", "See a doctor."))
EXCLUSION = Exclusion(id="out", when=parse_condition("one = b"), exclude=(Target("contains", ("arnica",)),))


@st.composite
def packs(draw: Any) -> Pack:
    slots = (Slot("best"), Slot("more", take=draw(st.integers(1, 3))))
    fallback = draw(st.sampled_from([(), ("P2", "P4", "P5")]))
    return Pack(
        id="p",
        title="p",
        quiz=Quiz(QUESTIONS),
        result=ResultRules(slots=slots, fallback=fallback, stock=draw(st.sampled_from(["hide", "demote"]))),
        triage=(TRIAGE,),
        exclusions=(EXCLUSION,),
        mappings=tuple(draw(st.lists(rows, max_size=12))),
        products=PRODUCTS,
        tips=(Tip("move", "Move"),),
    )


def every_path() -> list[dict[str, list[str]]]:
    """Return all valid answer sets; hidden questions have no answer."""
    ones = [list(combination) for combination in chain(combinations(OPTIONS, 1), combinations(OPTIONS, 2))]
    paths = []
    for one, two, three, four in product(ones, OPTIONS, "0123", [None, *OPTIONS]):
        if "a" not in one and two != "a":
            continue
        path = {"one": one, "three": [three]}
        path |= {"two": [two]} if "a" in one else {}
        path |= {"four": [four]} if four else {}
        paths.append(path)
    return paths


PATHS = every_path()
SETTING = Setting("s", "p", 1)


@given(packs(), st.sampled_from(PATHS))
def test_result_bytes_do_not_depend_on_the_order_of_answers(pack: Pack, answers: dict[str, list[str]]) -> None:
    shuffled = {name: list(reversed(given)) for name, given in reversed(answers.items())}

    one = json.dumps(Engine.of(pack).recommend(answers, SETTING, explain=True))
    other = json.dumps(Engine.of(pack).recommend(shuffled, SETTING, explain=True))

    assert one == other


@given(packs(), st.sampled_from(PATHS))
def test_excluded_product_never_appears(pack: Pack, answers: dict[str, list[str]]) -> None:
    engine = Engine.of(pack)
    found = evaluate(engine.rules, engine.catalog, answers)
    shown = {engine.rules.products[item.place].sku for item in found.shown}
    chosen = {q.id: way.chosen for q, way in zip(QUESTIONS, found.walk.ways, strict=True)}

    if "b" in answers["one"]:
        assert not shown & {"P1", "P3"}  # P3 does not declare its contents, so it is excluded too.
    for row in pack.mappings:
        if row.effect == EXCLUDE and row.when.holds(dict(chosen)):
            assert not any(target.fits(pack.product_by_sku[sku]) for sku in shown for target in row.target)
    assert len(shown & {"P4", "P5"}) <= 1


@given(packs(), st.sampled_from([path for path in PATHS if "two" not in path]), st.sampled_from(OPTIONS))
def test_answer_to_a_hidden_question_never_counts(pack: Pack, answers: dict[str, list[str]], extra: str) -> None:
    engine = Engine.of(pack)

    assert engine.recommend(answers, SETTING) == engine.recommend({**answers, "two": [extra]}, SETTING)


@given(packs(), st.sampled_from(PATHS))
def test_red_flag_gives_no_products_and_no_tips(pack: Pack, answers: dict[str, list[str]]) -> None:
    outcome = Engine.of(pack).recommend({**answers, "three": ["3"]}, SETTING)

    assert outcome["outcome"] == "see_doctor"
    assert not outcome["products"]
    assert not outcome["tips"]
    assert outcome["product_in_view"] is None


@settings(max_examples=40, deadline=None)
@given(packs())
def test_scores_and_highest_scores_equal_those_of_a_plain_loop(pack: Pack) -> None:
    """Bitset scores equal the scores by definition on every path of the quiz, ignoring early ends."""
    open_ended = Engine.of(Pack(**{**pack.__dict__, "triage": ()}))
    best = dict.fromkeys([entry.sku for entry in PRODUCTS], -(10**9))
    for answers in PATHS:
        found = evaluate(open_ended.rules, open_ended.catalog, answers)
        chosen = {q.id: way.chosen for q, way in zip(QUESTIONS, found.walk.ways, strict=True)}
        for item in PRODUCTS:
            plain = sum(
                row.weight
                for row in pack.mappings
                if row.effect == BOOST and row.when.holds(dict(chosen)) and any(t.fits(item) for t in row.target)
            )
            assert found.scores[open_ended.rules.place[item.sku]] == plain
            best[item.sku] = max(best[item.sku], plain)

    for sku, highest in best.items():
        assert highest_score(open_ended.rules, sku) == (highest, True)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["one", "two", "three", "four", "x"]), anything, max_size=5))
def test_arbitrary_answers_get_a_result_or_are_refused(answers: Any) -> None:
    engine = Engine.of(
        Pack(id="p", title="p", quiz=Quiz(QUESTIONS), result=ResultRules((Slot("best"),)), products=PRODUCTS)
    )
    with suppress(Refused):
        assert engine.recommend(answers, SETTING)["outcome"] in ("products", "tips_only", "see_doctor")
