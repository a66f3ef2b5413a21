"""The engine on the mini pack: a short test for each rule of the content format."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.packs import MINI
from widget.content.files import read_folder
from widget.content.stored import load_pack
from widget.domain.engine.answers import Refused
from widget.domain.engine.catalog import Catalog
from widget.domain.engine.evaluation import evaluate, screen
from widget.domain.engine.live import Engine
from widget.domain.engine.result import Setting

SETTING = Setting("demo", "mini", 1)
BASE = {"area": ["calves"], "soreness": ["6"], "warning": ["none"], "apply": ["hands-free"]}


def result(engine: Engine, **answers: list[str] | None) -> dict[str, Any]:
    given = {**BASE, **{name.replace("_", "-"): answer for name, answer in answers.items()}}
    return engine.recommend({name: item for name, item in given.items() if item is not None}, SETTING, explain=True)


def skus(data: dict[str, Any]) -> list[str]:
    return [card["sku"] for card in data["products"]]


def changed(**files: str) -> Engine:
    """Return an engine on the mini pack with some files replaced (``mappings__csv`` for mappings.csv)."""
    texts, _ = read_folder(MINI)
    return Engine.of(load_pack({**texts, **{name.replace("__", "."): text for name, text in files.items()}}))


def with_row(row: str) -> Engine:
    texts, _ = read_folder(MINI)
    return changed(mappings__csv=texts["mappings.csv"] + row + "\n")


def test_best_match_comes_first_with_its_reason(mini: Engine) -> None:
    outcome = result(mini)

    assert skus(outcome) == ["ROLL-30"]
    assert outcome["products"][0]["why"] == ["Reaches the calf without messy hands"]
    assert outcome["products"][0]["match"] == 67


def test_red_flag_ends_the_quiz_without_tips_or_products(mini: Engine) -> None:
    outcome = result(mini, warning=["fever"], apply=None)

    assert outcome["outcome"] == "see_doctor"
    assert (outcome["products"], outcome["tips"], outcome["plan"], outcome["product_in_view"]) == ([], [], [], None)


def test_answers_after_an_early_end_are_dropped_but_must_be_valid(mini: Engine) -> None:
    assert result(mini, warning=["fever"], apply=["rub-in"])["trace"]["asked"].get("apply") is None
    with pytest.raises(Refused):
        result(mini, warning=["fever"], apply=["nonsense"])


def test_tips_only_outcome_keeps_tips_and_shows_no_product(mini: Engine) -> None:
    outcome = result(mini, soreness=["10"])

    assert outcome["outcome"] == "tips_only"
    assert outcome["products"] == []
    assert outcome["tips"]
    assert outcome["advice"]["title"] == "That is a lot of pain"


def test_product_that_does_not_declare_its_contents_is_kept_out() -> None:
    engine = changed(
        products__yaml="""
- {sku: CREAM-60, name: Cream, form: cream}
- {sku: SALVE-50, name: S, form: salve, contains: [], allergens: []}
- {sku: ROLL-30, name: R, form: roll-on, contains: [], allergens: []}
- {sku: STICK-40, name: T, form: stick, contains: [], allergens: []}
"""
    )
    outcome = result(engine, area=["quads"], warning=["daisy-allergy"], apply=["rub-in"])
    row = next(item for item in outcome["trace"]["products"] if item["sku"] == "CREAM-60")

    assert row["kept_out"]["by"] == "certificate"  # Undeclared contents may include CBD, which requires a certificate.
    assert "CREAM-60" not in skus(outcome)


def test_answer_to_a_hidden_question_is_ignored(mini: Engine) -> None:
    outcome = result(mini, knee_kind=["back"])

    assert "knee-back" not in outcome["trace"]["rows"]
    assert outcome["trace"]["asked"].get("knee-kind") is None


def test_exclude_row_overrides_any_score(mini: Engine) -> None:
    outcome = result(mini, apply=["rub-in"], area=["calves", "quads"])

    assert "ROLL-30" not in skus(outcome)


def test_require_row_leaves_only_its_targets(mini: Engine) -> None:
    outcome = result(mini, soreness=["1"])

    assert set(skus(outcome)) <= {"CREAM-60", "SALVE-50", "STICK-40"}


def test_pinned_product_comes_first_and_has_no_match_below_the_minimum_score(mini: Engine) -> None:
    outcome = result(mini, area=["quads", "knees"], knee_kind=["front"], soreness=["6"])

    assert skus(outcome)[0] == "STICK-40"
    card = result(with_row("last,area = quads,pin,sku:SALVE-50,,Pinned,"), area=["quads"])["products"][0]
    assert (card["sku"], card["match"], card["why"]) == ("SALVE-50", None, ["Pinned"])


def test_fallback_products_are_shown_in_order_if_nothing_matches(mini: Engine) -> None:
    outcome = result(mini, area=["calves"], apply=["rub-in"])

    assert [(card["sku"], card["slot"], card["match"]) for card in outcome["products"]] == [
        ("SALVE-50", "fallback", None),
        ("CREAM-60", "fallback", None),
    ]


def test_out_of_stock_product_comes_last_if_stock_is_demote() -> None:
    texts, _ = read_folder(MINI)
    demoting = changed(pack__yaml=texts["pack.yaml"].replace("stock: hide", "stock: demote"))

    assert skus(result(demoting)) == ["ROLL-30", "SPRAY-100"]


def test_two_variants_of_one_product_are_never_shown_together() -> None:
    texts, _ = read_folder(MINI)
    grouped = texts["products.yaml"].replace("price: 1999,", "price: 1999, product_id: P1,")
    grouped = grouped.replace("stock: 0}", "stock: 4, product_id: P1}")

    assert len(skus(result(changed(products__yaml=grouped)))) == 1


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ({"area": None}, "required"),
        ({"area": []}, "required"),
        ({"area": ["calfs"]}, "unknown_option"),
        ({"area": ["calves", "calves"]}, "repeated_option"),
        ({"area": ["calves", "knees", "quads"]}, "too_many"),
        ({"area": "calves"}, "not_a_list"),
        ({"soreness": ["11"]}, "unknown_option"),
        ({"soreness": ["3", "4"]}, "one_only"),
        ({"warning": ["none", "fever"]}, "only_stands_alone"),
        ({"color": ["red"]}, "unknown_question"),
        ({"area": [["calves"]]}, "not_a_list"),
        ({"area": {"calves": 1}}, "not_a_list"),
    ],
)
def test_invalid_answers_are_refused_with_an_error_code(mini: Engine, answers: Any, code: str) -> None:
    given = {name: item for name, item in {**BASE, **answers}.items() if item is not None}

    with pytest.raises(Refused) as refused:
        mini.recommend(given, SETTING)
    assert refused.value.code == code


def test_single_character_string_is_not_accepted_as_a_list() -> None:
    """A string is a sequence too: ``"a"`` must not be accepted as ``["a"]``, even after ``["a"]`` was evaluated."""
    texts, _ = read_folder(MINI)
    engine = changed(
        quiz__yaml=texts["quiz.yaml"].replace("id: calves", "id: a"), mappings__csv="id,when,effect,target\n"
    )
    engine.recommend({**BASE, "area": ["a"]}, SETTING)

    with pytest.raises(Refused):
        engine.recommend({**BASE, "area": "a"}, SETTING)


MET = (
    BASE,
    {**BASE, "area": ["knees"], "knee-kind": ["front"]},
    {**BASE, "area": ["quads", "knees"], "knee-kind": ["back"], "apply": ["rub-in"]},
    {**BASE, "warning": ["fever"]},
    {**BASE, "area": ["calves", "quads"], "soreness": ["10"]},
)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"area": ("calves",)},
        {"area": "calves"},
        {"area": {"calves": 1}},
        {"area": [1]},
        {"area": []},
        {"area": None},
        {"soreness": "6"},
        {"soreness": 6},
        {"apply": ""},
        {"color": ["calves"]},
        {"knee-kind": ["front"]},
        {"knee-kind": []},
        {"area": ["knees"]},
        {"area": ["knees"], "knee-kind": ["front"]},
        {"area": ["knees"], "knee-kind": ("front",)},
        {"area": ["knees"], "knee-kind": []},
        {"warning": ["fever"]},
        {"warning": ["fever"], "apply": ["nonsense"]},
        {"warning": ["none", "fever"]},
        {"apply": ["rub-in", "hands-free"]},
        {"apply": []},
        {"apply": None},
    ],
)
def test_previously_evaluated_answers_do_not_affect_other_answer_sets(change: dict[str, Any]) -> None:
    """An engine that has evaluated every answer treats an unusual answer set, in any order, as a new engine does."""
    answers, seasoned = {**BASE, **change}, changed()
    for item in MET:
        seasoned.recommend(item, SETTING)

    for given in (answers, dict(reversed(answers.items()))):
        assert recommend_or_refuse(seasoned, given) == recommend_or_refuse(changed(), given)


@pytest.mark.parametrize("optional", ["true", "false"])
def test_unanswered_question_is_skipped_if_optional_and_refused_if_required(optional: str) -> None:
    texts, _ = read_folder(MINI)
    asked_of_knees = "show_if: area = knees"
    assert asked_of_knees in texts["quiz.yaml"]
    engine = changed(
        quiz__yaml=texts["quiz.yaml"].replace(asked_of_knees, f"{asked_of_knees}\n    optional: {optional}")
    )
    engine.recommend({**BASE, "area": ["knees"], "knee-kind": ["front"]}, SETTING)
    outcome = recommend_or_refuse(engine, {**BASE, "area": ["knees"]})

    assert outcome["trace"]["asked"]["knee-kind"] == ["skipped"] if optional == "true" else outcome == "required"
    assert "knee-kind" not in recommend_or_refuse(engine, BASE)["trace"]["asked"]


def test_engine_with_minimal_caches_gives_the_same_results(mini: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("widget.domain.engine.rules.MAX_WAYS", 1)
    monkeypatch.setattr("widget.domain.engine.boosts.MAX_LANES", 0)
    forgetful = changed()

    for answers in MET * 2:
        assert recommend_or_refuse(forgetful, answers) == recommend_or_refuse(mini, answers)


def recommend_or_refuse(engine: Engine, answers: Any) -> Any:
    try:
        return engine.recommend(answers, SETTING, explain=True)
    except Refused as refused:
        return refused.errors if len(refused.errors) > 1 else refused.code


def test_blocked_products_and_feed_values_affect_the_result(mini: Engine) -> None:
    blocked = Catalog(mini.rules, blocked=frozenset({"ROLL-30"}))
    restocked = Catalog(mini.rules, feed={"SPRAY-100": {"stock": 9}, "ROLL-30": {"active": False}})

    assert all(shown.place != mini.rules.place["ROLL-30"] for shown in evaluate(mini.rules, blocked, BASE).shown)
    assert [shown.place for shown in evaluate(mini.rules, restocked, BASE).shown] == [mini.rules.place["SPRAY-100"]]


def test_safety_of_the_live_version_applies_to_answers_of_an_older_version(mini: Engine) -> None:
    texts, _ = read_folder(MINI)
    stricter = texts["safety.yaml"] + ("  - id: menthol\n    when: area = calves\n    exclude: contains:menthol\n")
    live = changed(safety__yaml=stricter)
    older = evaluate(mini.rules, mini.catalog, BASE, screen(live.rules, BASE))
    flagged = changed(safety__yaml=texts["safety.yaml"].replace("warning = fever", "soreness >= 6"))
    ended = evaluate(mini.rules, mini.catalog, BASE, screen(flagged.rules, BASE))

    assert mini.rules.place["ROLL-30"] not in [shown.place for shown in older.shown]
    assert (ended.outcome, ended.shown, ended.tips) == ("see_doctor", (), ())


def test_trace_gives_every_hidden_product_a_reason(mini: Engine) -> None:
    for row in result(mini)["trace"]["products"]:
        assert (row["shown"] is None) == (row["kept_out"] is not None)
