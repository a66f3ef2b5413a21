"""Amounts in minor units as text."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, get_currency_precision, get_currency_symbol

_LEFT_TO_RIGHT = "\u200e"


_HOMES = {"USD": "US", "CAD": "CA", "GBP": "GB", "MXN": "MX"}


def _locale(locale: str, currency: str) -> Locale:
    """The language as it is spoken where the currency is at home: Spanish in dollars is that of the US."""
    name = locale.replace("-", "_")
    for wish in (f"{name}_{_HOMES.get(currency, '')}" if "_" not in name else name, name):
        try:
            return Locale.parse(wish)
        except (UnknownLocaleError, ValueError):
            continue
    return Locale("en")


@lru_cache(maxsize=4096)
def money_text(amount: int, currency: str, locale: str) -> str:
    """``2400, "USD", "en"`` to ``$24.00``. Minor units after ISO 4217, words and signs after CLDR."""
    value = Decimal(amount).scaleb(-get_currency_precision(currency))
    spoken = _locale(locale, currency)
    text = format_currency(value, currency, locale=spoken)
    if spoken.text_direction != "rtl":
        return text
    # The sign of US$ would jump to the other side of its letters between words written from right to left.
    symbol = get_currency_symbol(currency, locale=spoken)
    return text.replace(symbol, f"{_LEFT_TO_RIGHT}{symbol}{_LEFT_TO_RIGHT}")
