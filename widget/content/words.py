"""The words of the widget and the pages themselves (buttons, labels, errors), by language."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

import yaml

FALLBACK = "en"


@cache
def words_for(locale: str) -> dict[str, str]:
    """The words of a language, English where one is missing."""
    english = _read(FALLBACK)
    return english | _read(locale.split("-")[0]) if not locale.startswith(FALLBACK) else english


@cache
def _read(language: str) -> dict[str, str]:
    path = files("widget.content") / "words" / f"{language}.yaml"
    if not language.isalpha() or not path.is_file():
        return {}
    words: dict[str, str] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return words
