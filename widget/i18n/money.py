"""Formatting of amounts in minor units."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, get_currency_precision, get_currency_symbol

_LEFT_TO_RIGHT = "\u200e"


_HOMES = {"USD": "US", "CAD": "CA", "GBP": "GB", "MXN": "MX"}


def _locale(locale: str, currency: str) -> Locale:
    """Return the locale of the language in the currency's home country: Spanish with dollars is that of the US."""
    name = locale.replace("-", "_")
    for wish in (f"{name}_{_HOMES.get(currency, '')}" if "_" not in name else name, name):
        try:
            return Locale.parse(wish)
        except (UnknownLocaleError, ValueError):
            continue
    return Locale("en")


@lru_cache(maxsize=4096)
def money_text(amount: int, currency: str, locale: str) -> str:
    """Format ``2400, "USD", "en"`` as ``$24.00``. Minor units follow ISO 4217; names and symbols follow CLDR."""
    value = Decimal(amount).scaleb(-get_currency_precision(currency))
    parsed = _locale(locale, currency)
    text = format_currency(value, currency, locale=parsed)
    if parsed.text_direction != "rtl":
        return text
    # In right-to-left text, the $ of US$ would otherwise move to the other side of its letters.
    symbol = get_currency_symbol(currency, locale=parsed)
    return text.replace(symbol, f"{_LEFT_TO_RIGHT}{symbol}{_LEFT_TO_RIGHT}")
