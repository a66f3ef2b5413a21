"""Findings of the path check, with their example answers, and its counts."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.packs import LEG_DAY, MINI
from tests.support.random_packs import MAX_PATHS, every_path, random_pack
from widget.content.reader import read_pack
from widget.domain.catalog.product import Product
from widget.domain.catalog.target import Target, names_tips, parse_targets
from widget.domain.content.pack import ENDS_EARLY, PRODUCTS, TIPS_ONLY, Mapping, Pack, ResultRules, Slot
from widget.domain.engine.evaluation import evaluate
from widget.domain.engine.live import Engine
from widget.domain.engine.removal import same_result, without_row
from widget.domain.quiz.condition import parse_condition
from widget.domain.quiz.questions import SINGLE, Option, Question, Quiz
from widget.path_coverage import row_findings
from widget.path_coverage.check import check_paths
from widget.path_coverage.layers import TooManyClasses
from widget.path_coverage.report import SEVERITIES, Coverage

IDLE = ("row_changes_nothing", "row_gives_reasons_only", "row_shadowed")


def mini() -> Pack:
    pack = read_pack(MINI).pack
    assert pack is not None
    return pack


def row(name: str, when: str, effect: str, target: str, weight: int = 0, reason: str = "") -> Mapping:
    return Mapping(
        id=name, when=parse_condition(when), effect=effect, target=parse_targets(target), weight=weight, reason=reason
    )


def with_rows(*rows: Mapping, first: bool = False) -> Coverage:
    pack = mini()
    mappings = (*rows, *pack.mappings) if first else (*pack.mappings, *rows)
    return check_paths(replace(pack, mappings=mappings))


def codes(coverage: Coverage, about: str) -> set[str]:
    return {finding.code for finding in coverage.findings if about in finding.message}


def test_path_check_of_the_shipped_pack_is_exact_and_without_errors() -> None:
    pack = read_pack(LEG_DAY).pack
    assert pack is not None
    outcome = check_paths(pack)
    assert outcome.exact
    assert not outcome.failed
    assert outcome.paths == sum(outcome.outcomes.values()) > 10**9
    assert all(outcome.shown.values())
    assert all(outcome.rows.values())


def test_row_that_never_matches_is_found() -> None:
    outcome = with_rows(row("never", "soreness >= 7 & soreness < 5", "boost", "form:cream", 5))
    assert codes(outcome, "'never'") == {"row_never_matches"}
    outcome = with_rows(row("after-the-end", "warning = fever", "boost", "form:cream", 5))
    assert codes(outcome, "'after-the-end'") == {"row_never_matches"}, "the quiz ends there"


def test_row_that_changes_nothing_is_distinguished_from_row_that_only_gives_a_reason() -> None:
    """The salve ranks first wherever only the knees are sore, so one more point for it changes no order."""
    when = "area = knees & area != calves|quads & apply = skipped & soreness = 4"
    outcome = with_rows(row("idle", when, "boost", "sku:SALVE-50", 1))
    assert codes(outcome, "'idle'") == {"row_changes_nothing"}
    outcome = with_rows(row("words", when, "boost", "sku:SALVE-50", 1, "Because."))
    assert codes(outcome, "'words'") == {"row_gives_reasons_only"}
    outcome = with_rows(row("strong", when, "exclude", "sku:SALVE-50"))
    assert not codes(outcome, "'strong'")


def test_row_that_mostly_moves_a_product_between_slots_is_not_reported_as_idle() -> None:
    """Moving a product from the fallback to a slot is no difference to a shopper, but must not hide a real one.

    Each ``r`` row moves the salve from the fallback into its own slot; on most paths it is the only product shown
    either way. On one path in 64 the cream is shown, so there is no fallback, and the salve appears only because of
    the row.
    """
    many = 90
    questions = [
        Question(f"q{at}", SINGLE, "?", options=tuple(Option(f"o{n}", "x") for n in range(4))) for at in range(4)
    ]
    questions.append(Question("which", SINGLE, "?", options=tuple(Option(f"o{n}", "x") for n in range(many))))
    slots = (Slot("creams", 1, (Target("form", ("cream",)),)), Slot("salves", 1, (Target("form", ("salve",)),)))
    rows = [row("first", "q0 = o0 & q1 = o0 & q2 = o0", "boost", "sku:CREAM", 99)]
    rows += [row(f"d{at}{n}", f"q{at} = o{n}", "boost", "sku:SALVE", n * 4**at) for at in range(3) for n in (1, 2, 3)]
    rows += [row(f"r{n}", f"which = o{n}", "boost", "sku:SALVE", 95) for n in range(many)]
    pack = Pack(
        "slots",
        "Slots",
        quiz=Quiz(tuple(questions)),
        result=ResultRules(slots=slots, fallback=("SALVE",), min_score=90),
        mappings=tuple(rows),
        products=(Product("CREAM", "Cream", form="cream"), Product("SALVE", "Salve", form="salve")),
    )
    idle = [finding.message for finding in check_paths(pack).findings if finding.code in IDLE]
    assert not [item for item in idle if item.startswith("row 'r")]


def test_shadowed_row_is_reported_with_the_row_that_shadows_it() -> None:
    outcome = with_rows(row("again", "apply = rub-in & area = calves", "exclude", "form:spray"))
    found = next(finding for finding in outcome.findings if "'again'" in finding.message)
    assert found.code == "row_shadowed"
    assert "'rub'" in found.message
    assert found.paths > 0


def test_contradicting_rows_are_errors_with_an_example() -> None:
    outcome = with_rows(
        row("only-salve", "area = quads", "require", "form:salve"),
        row("no-salve", "apply = hands-free", "exclude", "form:salve"),
    )
    found = next(finding for finding in outcome.findings if finding.code == "rows_contradict")
    assert outcome.failed
    engine = Engine.of(outcome.pack)
    assert found.example is not None
    rows = {pick.row.id for pick in evaluate(engine.rules, engine.catalog, found.example).picks}
    assert {"only-salve", "no-salve"} <= rows
    outcome = with_rows(
        row("only-salve", "area = quads", "require", "form:salve"),
        row("only-cream", "area = quads", "require", "form:cream"),
    )
    assert "requires_empty" in codes(outcome, "'only-salve'")


def test_options_and_questions_that_change_nothing_are_found() -> None:
    pack = mini()
    idle = Question("mood", SINGLE, "How are you?", options=(Option("good", "Good"), Option("fine", "Fine")))
    outcome = check_paths(replace(pack, quiz=Quiz((*pack.quiz.questions, idle))))
    assert "question_changes_nothing" in codes(outcome, "'mood'")
    area = pack.quiz.questions[0]
    more = replace(area, options=(*area.options, Option("toes", "Toes")))
    outcome = check_paths(replace(pack, quiz=Quiz((more, *pack.quiz.questions[1:]))))
    found = next(finding for finding in outcome.findings if "'toes'" in finding.message)
    assert found.code == "option_changes_nothing"
    engine = Engine.of(outcome.pack)
    assert found.example is not None
    assert "toes" in found.example["area"]
    assert evaluate(engine.rules, engine.catalog, found.example)
    assert not codes(outcome, "'calves'")


def test_gaps_ties_fallback_use_and_empty_slots_are_found() -> None:
    pack = mini()
    bare = replace(pack, result=replace(pack.result, fallback=(), fallback_tips=()), mappings=pack.mappings[:1])
    outcome = check_paths(bare)
    assert outcome.failed
    gap = next(finding for finding in outcome.findings if finding.code == "path_without_product")
    engine = Engine.of(bare)
    assert gap.example is not None
    assert not evaluate(engine.rules, engine.catalog, gap.example).shown
    assert "path_without_tip" in {finding.code for finding in outcome.findings}
    assert {"slot_empty", "tie_by_sku", "fallback_used"} <= {finding.code for finding in check_paths(pack).findings}
    crowded = replace(pack, result=replace(pack.result, slots=(Slot("a", 9),), min_score=-1000), mappings=())
    assert "product_shown_often" in {finding.code for finding in check_paths(crowded).findings}


def test_path_without_product_due_to_safety_is_not_an_error() -> None:
    pack = mini()
    every = tuple(replace(product, contains=("arnica",)) for product in pack.products)
    outcome = check_paths(replace(pack, products=every))
    assert "path_without_safe_product" in {finding.code for finding in outcome.findings}
    assert "path_without_product" not in {finding.code for finding in outcome.findings}


def test_pack_can_set_the_severity_of_findings() -> None:
    pack = replace(mini(), checks={"fallback_used": "error", "tie_by_sku": "off"})
    outcome = check_paths(pack)
    assert outcome.failed
    assert "tie_by_sku" not in {finding.code for finding in outcome.findings}
    assert {finding.code for finding in outcome.findings} <= SEVERITIES.keys()


@pytest.mark.parametrize("batch", range(3))
def test_row_counts_and_findings_equal_those_of_evaluating_every_path(batch: int, tmp_path: Path) -> None:
    looked = 0
    for seed in range(9000 + 15 * batch, 9000 + 15 * (batch + 1)):
        pack = random_pack(seed, tmp_path)
        engine = Engine.of(pack)
        paths = []
        for answers in every_path(engine):
            paths.append(evaluate(engine.rules, engine.catalog, answers))
            if len(paths) > MAX_PATHS:
                break
        if len(paths) > MAX_PATHS:
            continue
        looked += 1
        outcome = check_paths(pack)
        rows: Counter[str] = Counter()
        matters: set[str] = set()
        for found in paths:
            for index, mapping in enumerate(pack.mappings):
                goods = not names_tips(mapping.target)
                in_play = found.triage is None or (not goods and found.triage.outcome not in ENDS_EARLY)
                if in_play and _holds(found, index):
                    rows[mapping.id] += 1
                    if not same_result(found, without_row(found, index)):
                        matters.add(mapping.id)
        assert outcome.rows == {item.id: rows[item.id] for item in pack.mappings}, seed
        never = {"row_changes_nothing", "row_gives_reasons_only", "row_shadowed", "row_never_matches"}
        idle = {pack.mappings[finding.where[1]].id for finding in outcome.findings if finding.code in never}
        assert idle == {item.id for item in pack.mappings} - matters, seed
        outcomes = Counter(found.outcome for found in paths)
        assert outcome.outcomes == {name: outcomes[name] for name in outcome.outcomes}
        assert sum(outcomes.values()) == outcome.paths
    assert looked > 3


def _holds(found, index: int) -> bool:
    rules = found.rules
    boosted = {at for (at, _), holds in zip(rules.boosts.rows, found.boosted, strict=False) if holds}
    return index in boosted or any(pick.index == index for pick in found.picks)


def test_row_is_called_idle_without_a_hedge_only_if_every_path_was_explored(monkeypatch: pytest.MonkeyPatch) -> None:
    def idle() -> str:
        when = "area = knees & area != calves|quads & apply = skipped & soreness = 4"
        outcome = with_rows(row("idle", when, "boost", "sku:SALVE-50", 1))
        [message] = [finding.message for finding in outcome.findings if "'idle'" in finding.message]
        return message

    class Run(row_findings.Run):
        def __init__(self, *args: Any, **more: Any) -> None:
            raise TooManyClasses

    assert "in a sample" not in idle()
    monkeypatch.setattr(row_findings, "Run", Run)
    assert "in a sample" in idle()


def test_too_many_classes_are_sampled_and_the_report_states_its_certainty() -> None:
    pack = read_pack(LEG_DAY).pack
    assert pack is not None
    exact, outcome = check_paths(pack), check_paths(pack, most=3000)
    assert not outcome.exact
    assert "rule of three" in outcome.sureness
    assert "pairs of options" in outcome.sureness
    assert outcome.paths == exact.paths, "the number of paths is exact all the same"
    assert not {finding.code for finding in outcome.findings} & {
        "row_never_matches",
        "product_never_shown",
        "path_without_product",
    }
    for name in (PRODUCTS, TIPS_ONLY):
        assert outcome.outcomes[name] == pytest.approx(exact.outcomes[name], rel=0.1)


def test_path_check_after_an_edit_equals_a_check_from_scratch() -> None:
    pack = read_pack(LEG_DAY).pack
    assert pack is not None
    before = check_paths(pack)
    chance = random.Random(1)
    for _ in range(4):
        at = chance.randrange(len(pack.mappings))
        edited = replace(pack.mappings[at], weight=-pack.mappings[at].weight)
        changed = replace(pack, mappings=(*pack.mappings[:at], edited, *pack.mappings[at + 1 :]))
        again, anew = check_paths(changed, before=before), check_paths(changed)
        assert again.data()["shown"] == anew.data()["shown"]
        assert again.data()["rows"] == anew.data()["rows"]
        assert {(finding.code, finding.message) for finding in again.findings} == {
            (e.code, e.message) for e in anew.findings
        }
