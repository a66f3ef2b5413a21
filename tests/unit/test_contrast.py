"""Contrast according to WCAG 2.2, and the colors of the widget as this check knows them."""

from __future__ import annotations

import re

import pytest

from tests.support.packs import ROOT
from widget.domain.content.contrast import DARK, LIGHT, SIDES, checked, is_color, ratio, side_of, theme_css


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#777777", "#ffffff", 4.48),  # The gray that just fails and the gray that just passes (WebAIM).
        ("#767676", "#ffffff", 4.54),
        ("#ff0000", "#ffffff", 4.0),
    ],
)
def test_contrast_ratios_match_known_values(one: str, other: str, expected: float) -> None:
    assert ratio(one, other) == pytest.approx(expected, abs=0.01)
    assert ratio(other, one) == ratio(one, other)


@pytest.mark.parametrize("text", ["", "red", "#fff", "#12345g", "#1234567", "0f5c4d", "#0f5c4d;}"])
def test_only_six_digit_hex_colors_are_accepted(text: str) -> None:
    assert not is_color(text)
    with pytest.raises(ValueError, match="#rrggbb"):
        ratio(text, "#ffffff")


@pytest.mark.parametrize("side", [LIGHT, DARK])
def test_default_theme_colors_pass_the_contrast_check(side: str) -> None:
    assert [pair.name for pair in checked(SIDES[side]) if not pair.passes] == []


def test_default_theme_colors_equal_those_in_the_stylesheet() -> None:
    sheet = (ROOT / "widget" / "web" / "files" / "quiz.css").read_text()
    blocks = {
        ":host, :root": SIDES[LIGHT],
        ":host([data-dark])": SIDES[DARK],
        "@media (prefers-color-scheme: dark) {\n  :root": SIDES[DARK],
    }
    for selector, side in blocks.items():
        block = sheet.split(f"\n{selector} {{")[1].split("}")[0]
        found = dict(re.findall(r"--rq-([a-z-]+): (#[0-9a-f]+);", block))
        whole = {n: f"#{''.join(c * 2 for c in item[1:])}" if len(item) == 4 else item for n, item in found.items()}
        assert {name: whole.get(name) for name in side} == side, selector


def test_contrast_ratio_of_a_failing_pair_is_not_rounded_up() -> None:
    failing = [
        pair for pair in checked({"paper": "#ffffff", "card": "#ffffff", "accent": "#777777"}) if not pair.passes
    ]

    assert ("accent", "card", "4.47:1") in [(pair.front, pair.back, pair.ratio_text) for pair in failing]


def test_unset_theme_colors_come_from_the_light_or_dark_side_of_the_paper() -> None:
    assert side_of("#14181a") == DARK
    assert "color-scheme: dark;" in theme_css({"paper": "#14181a"})
    assert next(pair for pair in checked({"paper": "#101010"}) if pair.front == "ink").ratio > 12
