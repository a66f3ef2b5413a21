"""Strings of the widget, the pages, and the emails (buttons, labels, errors), by locale.

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


class Strings(dict[str, str]):
    """Strings by key in one language, in English where the language lacks one."""

    locale: str = FALLBACK

    def text(self, key: str, **values: Any) -> str:
        """Format a message with its values, in the plural form of the language."""
        return _formatted(self[key], self.locale, tuple(sorted(values.items())))

    def for_widget(self, most: int) -> dict[str, Any]:
        """Return the strings for the widget, which formats no plurals: a message that counts becomes a list with one
        text for each number from 0 to ``most``.
        """
        counting = {
            key: [self.text(key, n=n) for n in range(most + 1)] for key, message in self.items() if _PLURAL in message
        }
        return {**self, **counting}


@lru_cache(maxsize=4096)
def _formatted(message: str, locale: str, values: tuple[tuple[str, Any], ...]) -> str:
    return str(_parsed(message, locale).format(dict(values)))


@lru_cache(maxsize=1024)
def _parsed(message: str, locale: str) -> MessageFormat:
    return MessageFormat(message, locale)


@cache
def strings_for(locale: str) -> Strings:
    """Return the strings of a locale (``es-MX`` gets those of ``es``)."""
    language = locale.split("-")[0].lower()
    strings = Strings({**_read(FALLBACK), **_read(language)})
    strings.locale = language if language in LANGUAGES else FALLBACK
    return strings


@cache
def _read(language: str) -> Mapping[str, str]:
    path = files("widget.i18n") / "locales" / f"{language}.yaml"
    if language not in LANGUAGES or not path.is_file():
        return {}
    strings: dict[str, str] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return strings
