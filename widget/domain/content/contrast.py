"""Contrast checks for the colors that a store gives the widget.

Source: WCAG 2.2, relative luminance and contrast ratio; 1.4.3 requires 4.5:1 for text, 1.4.11 requires 3:1 for
controls.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

TEXT, CONTROL = 4.5, 3.0
LIGHT, DARK = "light", "dark"
TOKENS = ("accent", "paper", "ink", "card")
"""The tokens a store is most likely to set. The others come from the light or dark scheme, depending on its paper."""
SIDES: dict[str, dict[str, str]] = {
    LIGHT: {
        "accent": "#0f5c4d",
        "paper": "#fbf9f5",
        "ink": "#1b2a28",
        "card": "#ffffff",
        "on-accent": "#ffffff",
        "accent-soft": "#e3f0eb",
        "ink-soft": "#55635f",
        "warm": "#b4552d",
        "bad": "#a3262a",
    },
    DARK: {
        "accent": "#5cc6ae",
        "paper": "#14181a",
        "ink": "#edf1ee",
        "card": "#1c2225",
        "on-accent": "#0d1a17",
        "accent-soft": "#1e3832",
        "ink-soft": "#a9b6b1",
        "warm": "#e39a74",
        "bad": "#f08a86",
    },
}
"""The same values as in quiz.css; a test compares the two."""
PAIRS: tuple[tuple[str, str, float, str], ...] = (
    ("ink", "paper", TEXT, "Text on the page"),
    ("ink", "card", TEXT, "Text on a card"),
    ("ink", "accent-soft", TEXT, "Selected answer text"),
    ("ink-soft", "paper", TEXT, "Small print on the page"),
    ("ink-soft", "card", TEXT, "Small print on a card"),
    ("accent", "paper", TEXT, "Links on the page"),
    ("accent", "card", TEXT, "Links on a card"),
    ("on-accent", "accent", TEXT, "Button label"),
    ("accent", "accent-soft", CONTROL, "Selected answer border"),
    ("warm", "card", TEXT, "Soreness scale"),
    ("bad", "card", TEXT, "Error messages"),
)
_HEX = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two color tokens used together, with their contrast ratio. ``asked`` is the minimum ratio."""

    front: str
    back: str
    name: str
    asked: float
    ratio: float

    @property
    def passes(self) -> bool:
        return self.ratio >= self.asked

    @property
    def ratio_text(self) -> str:
        """The ratio truncated to two decimals, so that it is never rounded up to a limit it does not reach."""
        return f"{int(self.ratio * 100 + 1e-9) / 100:.2f}:1"


def is_color(text: str) -> bool:
    return bool(_HEX.fullmatch(text.casefold()))


def luminance(color: str) -> float:
    """Return the relative luminance of #rrggbb: 0 is black, 1 is white. Raises ValueError."""
    if not is_color(color):
        raise ValueError("a color must have the form #rrggbb")
    red, green, blue = (_linear(int(color[at : at + 2], 16) / 255) for at in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(part: float) -> float:
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def ratio(one: str, other: str) -> float:
    """Return the contrast ratio of two colors, from 1 to 21. Raises ValueError."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def side_of(paper: str) -> str:
    """Return the scheme (light or dark) that supplies the colors the store does not set."""
    return LIGHT if ratio(paper, "#000000") >= ratio(paper, "#ffffff") else DARK


def checked(chosen: Mapping[str, str]) -> list[Pair]:
    """Return every color pair used in the widget, with the chosen tokens overriding those of the scheme.

    Raises ValueError.
    """
    side = side_of(chosen.get("paper", SIDES[LIGHT]["paper"]))
    colors = {**SIDES[side], **chosen}
    return [Pair(front, back, name, asked, ratio(colors[front], colors[back])) for front, back, asked, name in PAIRS]


def theme_css(chosen: Mapping[str, str]) -> str:
    """Return the CSS that a store adds to its style sheet.

    It fixes one color scheme, since colors set here apply to both.
    """
    changed = {name: color for name, color in chosen.items() if name in TOKENS}
    lines = [f"  --rq-{name}: {changed[name]};" for name in TOKENS if name in changed]
    side = side_of(chosen.get("paper", SIDES[LIGHT]["paper"]))
    return "\n".join(["recovery-quiz {", f"  color-scheme: {side};", *lines, "}"])
