"""The list of retired names: each is found with its replacement, and none is left in the code."""

from __future__ import annotations

import importlib.util

import pytest

from tests.support.packs import ROOT

_spec = importlib.util.spec_from_file_location("check_words", ROOT / "infra" / "check_words.py")
assert _spec is not None
assert _spec.loader is not None
check_words = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(check_words)


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("def send_due_letters():", "email"),
        ("class Hooks_page:", "webhook"),
        ("class SmtpCarrier:", "transport"),
        ("MOST_ROWS = 5", "MAX_"),
        ("for each in rows:", "the thing's name"),
        ("catalogue = Shelf(rules)", "Catalog"),
        ('"/console/come-in/<token>"', "invitations"),
    ],
)
def test_retired_name_is_found_with_its_replacement(line: str, word: str) -> None:
    assert any(word in better for pattern, better in check_words.retired() if pattern.search(line))


@pytest.mark.parametrize(
    "line", ["an_email = 1", "webhook_delivery", "MAX_ROWS", "for product in products:", "catalog"]
)
def test_current_terms_are_not_reported_as_retired_names(line: str) -> None:
    assert not [pattern.pattern for pattern, _ in check_words.retired() if pattern.search(line)]


def test_code_contains_no_retired_names() -> None:
    assert check_words.problems() == []
