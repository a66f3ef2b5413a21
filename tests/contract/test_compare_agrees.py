"""Comparison of two versions, checked against an evaluation of every path of both versions one by one."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.random_packs import MAX_PATHS, every_path, random_pack
from widget.domain.catalog.target import names_tips
from widget.domain.content.pack import Pack
from widget.domain.engine.live import Engine
from widget.path_coverage.compare import compare, same_for_shoppers
from widget.path_coverage.items import PRODUCTS, TIPS, side_of
from widget.path_coverage.run import Run


def edited(pack: Pack, chance: random.Random) -> Pack:
    """Return the pack with random edits.

    Flips weights or removes rows; may also empty a stock, remove a triage row or an option, or make a question
    optional.
    """
    mappings, products, questions = list(pack.mappings), list(pack.products), list(pack.quiz.questions)
    for _ in range(chance.randint(1, 3)):
        at = chance.randrange(len(mappings)) if mappings else None
        if at is not None and mappings[at].effect == "boost":
            mappings[at] = replace(mappings[at], weight=-mappings[at].weight or 1)
        elif at is not None:
            del mappings[at]
    if chance.random() < 0.3 and products:
        at = chance.randrange(len(products))
        products[at] = replace(products[at], stock=0)
    pack = replace(pack, mappings=tuple(mappings), products=tuple(products))
    if chance.random() < 0.3 and pack.triage:
        pack = replace(pack, triage=pack.triage[1:])
    if chance.random() < 0.4:
        at = chance.randrange(len(questions))
        if len(questions[at].options) > 2:
            questions[at] = replace(questions[at], options=questions[at].options[:-1])
        elif not questions[at].optional:
            questions[at] = replace(questions[at], optional=True)
    return replace(pack, quiz=replace(pack.quiz, questions=tuple(questions)))


def one_edit(pack: Pack, chance: random.Random) -> Pack:
    """Return the pack with one random edit.

    Mostly of a row's weight or condition; otherwise of its target or position, the exclusions, a stock, or the minimum
    score.
    """
    at = chance.randrange(len(pack.mappings))
    row, other = pack.mappings[at], chance.choice(pack.mappings)
    rows = list(pack.mappings)
    kind = chance.choice([*["weight"] * 6, "when", "when", "target", "place", "safety", "stock", "least"])
    if kind == "weight" and row.effect == "boost":
        rows[at] = replace(row, weight=row.weight + 7)
    elif kind == "when":
        rows[at] = replace(row, when=other.when)
    elif kind == "target" and names_tips(row.target) == names_tips(other.target):
        rows[at] = replace(row, target=other.target)
    elif kind == "place":
        rows.insert(chance.randrange(len(rows)), rows.pop(at))
    elif kind == "safety":
        return replace(pack, exclusions=pack.exclusions[1:])
    elif kind == "stock":
        return replace(pack, products=(replace(pack.products[0], stock=0), *pack.products[1:]))
    elif kind == "least":
        return replace(pack, result=replace(pack.result, min_score=pack.result.min_score + 20))
    return replace(pack, mappings=tuple(rows))


def paths_of(engine: Engine) -> set[str] | None:
    found: set[str] = set()
    for answers in every_path(engine):
        found.add(json.dumps({name: sorted(answer) for name, answer in answers.items()}, sort_keys=True))
        if len(found) > MAX_PATHS:
            return None
    return found


@pytest.mark.parametrize("batch", range(4))
def test_compare_counts_the_same_changed_paths_as_a_check_of_each_path(batch: int, tmp_path: Path) -> None:
    looked = 0
    for seed in range(5000 + batch * 30, 5000 + (batch + 1) * 30):
        pack = random_pack(seed, tmp_path)
        before, after = Engine.of(pack), Engine.of(edited(pack, random.Random(seed)))
        one, other = paths_of(before), paths_of(after)
        if one is None or other is None:
            continue
        looked += 1
        common = [json.loads(text) for text in one & other]
        changed = len(one ^ other) + sum(not same_for_shoppers(before, after, item) for item in common)
        comparison = compare(before, after, common)
        assert comparison.exact
        assert (comparison.paths, comparison.changed) == (len(one | other), changed), seed
        assert (comparison.responses, comparison.responses_changed) == (len(common), changed - len(one ^ other)), seed
        for example in comparison.examples:
            assert not same_for_shoppers(before, after, example["answers"]), (seed, example["answers"])
    assert looked > 10


def test_versions_with_reordered_questions_are_compared_by_sampled_paths(tmp_path: Path) -> None:
    """Common questions in another order cannot be walked side by side; the result is an estimate, marked inexact."""
    looked = 0
    for seed in range(7000, 7030):
        pack = random_pack(seed, tmp_path)
        questions = pack.quiz.questions
        if len(questions) < 2 or not questions[0].show_if.always or not questions[1].show_if.always:
            continue
        swapped = (questions[1], questions[0], *questions[2:])
        edited_pack = edited(replace(pack, quiz=replace(pack.quiz, questions=swapped)), random.Random(1))
        before, after = Engine.of(pack), Engine.of(edited_pack)
        one, other = paths_of(before), paths_of(after)
        if one is None or other is None or {q.id for q in edited_pack.quiz.questions} != {q.id for q in questions}:
            continue
        changed = len(one ^ other) + sum(not same_for_shoppers(before, after, json.loads(e)) for e in one & other)
        comparison = compare(before, after)
        looked += 1
        assert not comparison.exact
        assert comparison.changed / comparison.paths == pytest.approx(changed / len(one | other), abs=0.06), seed
    assert looked > 10


def test_compare_without_a_second_walk_finds_the_same_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The comparison reports the same changes with and without the shortcut ``paired``, which is taken often."""
    from widget.path_coverage import compare as comparing

    short, taken = comparing.paired, []

    def noted(one: object, other: object) -> object:
        found = short(one, other)  # type: ignore[arg-type]  # The runs are passed through unchanged.
        taken.append(found is not None)
        return found

    for seed in range(9000, 9040):
        pack = random_pack(seed, tmp_path)
        rows = [replace(row, weight=row.weight + 3 or 1) if row.effect == "boost" else row for row in pack.mappings]
        before, after = Engine.of(pack), Engine.of(replace(pack, mappings=tuple(rows)))
        monkeypatch.setattr(comparing, "paired", noted)
        one = compare(before, after)
        monkeypatch.setattr(comparing, "paired", lambda *runs: None)
        other = compare(before, after)
        if one.exact:
            assert (one.paths, one.changed, one.products) == (other.paths, other.changed, other.products), seed
            assert [example["paths"] for example in one.examples] == [example["paths"] for example in other.examples], (
                seed
            )

    assert sum(taken) > len(taken) // 4


def test_run_that_reuses_untouched_classes_equals_a_run_from_scratch(tmp_path: Path) -> None:
    taken = 0
    for seed in range(11_000, 11_200):
        pack = random_pack(seed, tmp_path)
        if not pack.mappings:
            continue
        before, after = Engine.of(pack), Engine.of(one_edit(pack, random.Random(seed)))
        for group in (PRODUCTS, TIPS):
            one, other = (side_of(item.rules, item.catalog, group) for item in (before, after))
            first = Run([one])
            again, anew = Run([other], before=first), Run([other])
            known = {id(kind) for kind in first.kinds}
            taken += one.made_of != other.made_of and any(id(kind) in known for kind in again.kinds)
            assert [again.kinds[kind] for kind in again.kind_of] == [anew.kinds[kind] for kind in anew.kind_of], seed
            assert sorted(again.totals) == sorted(anew.totals), seed
    assert taken > 5
