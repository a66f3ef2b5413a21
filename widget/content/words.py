"""The words of the widget, the pages and the emails themselves (buttons, labels, errors), by language.

Messages that count are in ICU MessageFormat: ``{n, plural, one {# left} other {# left}}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any

import yaml
from icu4py.messageformat import MessageFormat

FALLBACK = "en"
LANGUAGES = ("en", "es", "ar")
_PLURAL = ", plural,"


class Words(dict[str, str]):
    """Words by key, in one language; English where one is missing."""

    locale: str = FALLBACK

    def say(self, key: str, **values: Any) -> str:
        """A message with its values, in the plural form of the language."""
        return said(self[key], self.locale, tuple(sorted(values.items())))

    def for_scripts(self, most: int) -> dict[str, Any]:
        """The words for the widget: a message that counts as a list, one text for each number up to ``most``."""
        counting = {key: [self.say(key, n=n) for n in range(most + 1)] for key, text in self.items() if _PLURAL in text}
        return {**self, **counting}


@lru_cache(maxsize=4096)
def said(message: str, locale: str, values: tuple[tuple[str, Any], ...]) -> str:
    return str(_parsed(message, locale).format(dict(values)))


@lru_cache(maxsize=1024)
def _parsed(message: str, locale: str) -> MessageFormat:
    return MessageFormat(message, locale)


@cache
def words_for(locale: str) -> Words:
    """The words of a language (``es-MX`` is ``es``)."""
    language = locale.split("-")[0].lower()
    words = Words({**_read(FALLBACK), **_read(language)})
    words.locale = language if language in LANGUAGES else FALLBACK
    return words


def spoken(accept: str, known: tuple[str, ...] = LANGUAGES, default: str = FALLBACK) -> str:
    """The known language that an Accept-Language header likes best (RFC 9110, 12.5.4)."""
    wishes = []
    for place, part in enumerate(accept[:500].split(",")):
        tag, _, quality = part.strip().partition(";q=")
        try:
            weight = float(quality or 1)
        except ValueError:
            weight = 0.0
        if weight > 0 and tag:
            wishes.append((-weight, place, tag.lower()))
    for _, _, tag in sorted(wishes):
        for item in known:
            if item.lower() == tag or item.lower().split("-")[0] == tag.split("-")[0]:
                return item
    return default


@cache
def _read(language: str) -> Mapping[str, str]:
    path = files("widget.content") / "words" / f"{language}.yaml"
    if language not in LANGUAGES or not path.is_file():
        return {}
    words: dict[str, str] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return words
