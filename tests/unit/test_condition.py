"""Conditions: parsing and evaluation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from widget.domain.quiz.condition import ALWAYS, WAS_SKIPPED, Condition, ConditionError, Term, parse_condition


def chosen(**answers: str) -> dict[str, frozenset[str] | None]:
    return {name.replace("_", "-"): frozenset(text.split()) if text else None for name, text in answers.items()}


@pytest.mark.parametrize(
    ("text", "answers", "holds"),
    [
        ("area = calves|knees", chosen(area="knees quads"), True),
        ("area = calves|knees", chosen(area="quads"), False),
        ("area != calves|knees", chosen(area="quads"), True),
        ("area != calves", chosen(area=""), False),
        ("not area = calves", chosen(area=""), False),
        ("not area = calves", chosen(area="quads"), True),
        ("soreness >= 7", chosen(soreness="7"), True),
        ("soreness < 7", chosen(soreness="7"), False),
        ("soreness > 6 & area = quads", chosen(soreness="7", area="quads"), True),
        ("a = x or b = y & c = z", chosen(a="x", b="n", c="n"), True),
        ("a = x or b = y & c = z", chosen(a="n", b="y", c="n"), False),
        ("", {}, True),
    ],
)
def test_condition_holds_as_the_content_format_defines(text: str, answers: dict, holds: bool) -> None:
    assert parse_condition(text).holds(answers) is holds


def test_a_skipped_question_counts_as_the_option_skipped() -> None:
    answers = {"apply": WAS_SKIPPED}

    assert parse_condition("apply != rub-in").holds(answers)
    assert parse_condition("apply = skipped").holds(answers)
    assert not parse_condition("apply >= 3").holds(answers)
    assert parse_condition("not apply >= 3").holds(answers)


@pytest.mark.parametrize(
    ("text", "at"),
    [("area", 4), ("area = ", 7), ("area = calves knees", 14), ("= calves", 0), ("area >= x", 8), ("a = b | | c", 8)],
)
def test_unreadable_condition_error_points_to_the_character(text: str, at: int) -> None:
    with pytest.raises(ConditionError) as error:
        parse_condition(text)

    assert error.value.at == at


words = st.from_regex(r"[a-z][a-z0-9-]{0,6}", fullmatch=True).filter(lambda w: w not in ("or", "not"))
terms = st.builds(
    Term,
    field=words,
    operator=st.sampled_from(["=", "!="]),
    values=st.lists(words, min_size=1, max_size=3).map(tuple),
    negated=st.booleans(),
)
conditions = st.lists(st.lists(terms, min_size=1, max_size=3).map(tuple), min_size=1, max_size=3).map(
    lambda clauses: Condition(tuple(clauses))
)


@given(conditions)
def test_condition_parses_back_from_its_own_text(condition: Condition) -> None:
    assert parse_condition(str(condition)) == condition


def test_empty_condition_always_holds() -> None:
    assert parse_condition("  ") == ALWAYS
    assert str(ALWAYS) == ""
