"""Targets and the products that they match."""

from __future__ import annotations

import pytest

from widget.domain.catalog.product import Product
from widget.domain.catalog.target import TargetError, format_targets, parse_targets

CREAM = Product("CREAM-60", "Cream", "cream", tags=("menthol",), contains=("arnica",))
BARE = Product("A|B", "Bare", "salve")


@pytest.mark.parametrize(
    ("text", "cream", "bare"),
    [
        ("all", True, True),
        ("sku:CREAM-60", True, False),
        ('sku:"A|B"', False, True),
        ('sku:CREAM-60|"A|B"', True, True),
        ("form:roll-on; tag:menthol", True, False),
        ("contains:arnica", True, False),
        ("lacks:allergens", True, True),
        ("lacks:contains", False, True),
        ("collection:sport", False, False),
    ],
)
def test_target_matches_products(text: str, cream: bool, bare: bool) -> None:
    targets = parse_targets(text)

    assert any(target.fits(CREAM) for target in targets) is cream
    assert any(target.fits(BARE) for target in targets) is bare
    assert parse_targets(format_targets(targets)) == targets


@pytest.mark.parametrize(
    "text",
    ["", "cream", "shape:round", "form:", "tip:massage; form:cream", "all:x", "lacks:price", "sku:A&B", "form:a;"],
)
def test_unreadable_target_is_refused(text: str) -> None:
    with pytest.raises(TargetError):
        parse_targets(text)
