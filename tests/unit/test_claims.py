"""The claims lint on packs: the texts it checks, its messages, and the warnings that a person may accept."""

from __future__ import annotations

from datetime import date

import pytest

from tests.support.packs import leg_day_files
from widget.actions.content.check_content import check_content
from widget.content.claim_check import CannotAccept, accept_claim, claim_problems, name_is_allowed
from widget.content.claim_rules import market_rules
from widget.content.reader import read_files
from widget.content.reading import Reading

TODAY = date(2026, 11, 22)
CBD = frozenset({"cbd", "menthol"})


def changed(name: str, old: str, new: str) -> Reading:
    files = leg_day_files()
    assert old in files[name], (name, old)
    files[name] = files[name].replace(old, new, 1)
    reading = read_files(files, [])
    assert reading.pack is not None, [error.data() for error in reading.errors]
    reading.add(claim_problems(reading.pack))
    return reading


@pytest.mark.parametrize(
    ("name", "old", "new", "phrase"),
    [
        ("mappings.csv", "a cream absorbs as you go.", "a cream for pain relief.", "pain"),
        ("products.yaml", "name: Trail Cream", "name: Anti-Inflammatory Cream", "Anti-Inflammatory"),
        ("tips/massage.md", "can give your hands glide.", "heals sore muscles.", "heals"),
        ("quiz.yaml", "Which scent do you prefer?", "Do you want our salve that cures arthritis?", "cures arthritis"),
        ("pack.yaml", "They differ in how they feel", "Our creams treat arthritis", "treat arthritis"),
        ("emails/review/body.md", "A few honest words", "This cream heals bruises. A few honest words", "heals"),
        ("locales/es.yaml", "una crema se absorbe", "una crema que alivia el dolor se absorbe", "alivia"),
    ],
)
def test_forbidden_claim_is_an_error_with_file_line_phrase_rule_and_alternative(
    name: str, old: str, new: str, phrase: str
) -> None:
    found = [error for error in changed(name, old, new).errors if error.problem.code == "claim"]
    assert found, "nothing was found"
    outcome = next(item for item in found if phrase.casefold() in item.problem.message.casefold())
    assert outcome.file == name
    lines = leg_day_files()[name].replace(old, new, 1).split("\n")
    near = " ".join(" ".join(lines[outcome.line - 1 : outcome.line + 8]).split())
    assert phrase in near
    assert "rule " in outcome.problem.message
    assert "Source: " in outcome.problem.message
    assert outcome.problem.suggestion


def test_shipped_pack_contains_no_forbidden_claim_in_any_language() -> None:
    reading = read_files(leg_day_files(), [])
    assert reading.pack is not None
    assert set(reading.pack.locales) == {"en", "es", "ar"}
    assert [claim_problem.message for claim_problem in claim_problems(reading.pack)] == []


def test_safety_text_may_name_the_symptom_it_warns_of() -> None:
    assert not changed("safety.yaml", "Sore legs can wait.", "Pain in the chest is no side effect of a cream.").errors


def test_product_without_a_required_warning_is_reported() -> None:
    reading = changed("products.yaml", '    - "Keep away from eyes, nose, mouth, and other mucous membranes."\n', "")
    lines = [problem.problem for problem in reading.problems if problem.problem.code == "missing_warning"]
    assert lines
    assert "eyes" in lines[0].message
    assert lines[0].severity == "error", "pack.yaml asks for that"


def test_accepted_claim_warning_lapses_when_the_text_changes() -> None:
    new = "this cream supports muscles and absorbs as you go."
    reading = changed("mappings.csv", "a cream absorbs as you go.", new)
    warning = next(problem for problem in reading.problems if problem.problem.code == "claim")
    assert warning.problem.severity == "warning"
    key = "mappings.rub-in-cream.reason"
    assert reading.pack is not None
    accepted = accept_claim(
        reading.pack, key=key, rule="soft-claim", locale=None, by="The owner", reason="Agreed in review", on=TODAY
    )
    files = {**reading.files, "claims.yaml": _claims(accepted[0].of)}
    again = read_files(files, [])
    assert again.pack is not None
    assert again.pack.accepted == accepted
    assert not list(claim_problems(again.pack))
    files["mappings.csv"] = files["mappings.csv"].replace("supports muscles", "supports your muscles")
    lapsed = read_files(files, [])
    assert lapsed.pack is not None
    assert {claim_problem.code for claim_problem in claim_problems(lapsed.pack)} == {"claim", "acceptance_lapsed"}


def _claims(of: str) -> str:
    return (
        "accepted:\n  - rule: soft-claim\n    key: mappings.rub-in-cream.reason\n"
        f"    of: '{of}'\n    by: The owner\n    reason: Agreed in review\n    on: 2026-11-22\n"
    )


def test_claim_error_cannot_be_accepted() -> None:
    pack = changed("mappings.csv", "a cream absorbs as you go.", "a cream for pain relief.").pack
    assert pack is not None
    with pytest.raises(CannotAccept, match="cannot be accepted; reword"):
        accept_claim(
            pack,
            key="mappings.rub-in-cream.reason",
            rule="cbd-and-symptoms",
            locale=None,
            by="The owner",
            reason="I insist",
            on=TODAY,
        )


@pytest.mark.parametrize(
    ("name", "contains", "allowed"),
    [
        ("Trail Cream", CBD, True),
        ("Pain Relief Cream", CBD, False),
        ("P a i n  R e l i e f", CBD, False),
        ("Arthritis Salve", frozenset({"camphor"}), False),
        ("Temporarily relieves minor aches and pains", frozenset({"menthol"}), True),
        ("Temporarily relieves minor aches and pains", CBD, False),
        ("Temporarily relieves minor aches and pains", None, False),
    ],
)
def test_product_name_from_a_feed_is_checked_against_the_claim_rules(
    name: str, contains: frozenset[str] | None, allowed: bool
) -> None:
    assert name_is_allowed(name, contains, "us", "en") is allowed


def test_each_claim_rule_has_a_source_and_an_alternative_in_every_language() -> None:
    market = market_rules("us")
    assert market is not None
    for rule in market.rules:
        assert rule.source
        assert set(rule.says) == set(rule.instead) == {"en", "es", "ar"}, rule.id


def test_overdue_evidence_is_an_error_and_evidence_due_soon_is_listed() -> None:
    late = read_files(leg_day_files(), [])
    check_content(late, today=date(2027, 7, 1))
    assert {error.problem.code for error in late.errors} == {"evidence_overdue"}
    soon = read_files(leg_day_files(), [])
    from datetime import timedelta

    check_content(soon, today=date(2027, 5, 15), soon=timedelta(days=60))
    assert not soon.errors
    assert {"evidence_due"} <= {problem.problem.code for problem in soon.problems}
    calm = read_files(leg_day_files(), [])
    check_content(calm, today=TODAY, soon=timedelta(days=60))
    assert "evidence_due" not in {problem.problem.code for problem in calm.problems}
