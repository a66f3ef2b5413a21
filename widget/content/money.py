"""Amounts in minor units as text."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, get_currency_precision, get_currency_symbol

_LEFT_TO_RIGHT = "\u200e"


@lru_cache(maxsize=4096)
def money_text(amount: int, currency: str, locale: str) -> str:
    """``2400, "USD", "en"`` to ``$24.00``. Minor units after ISO 4217, words and signs after CLDR."""
    value = Decimal(amount).scaleb(-get_currency_precision(currency))
    try:
        spoken = Locale.parse(locale.replace("-", "_"))
    except (UnknownLocaleError, ValueError):
        spoken = Locale("en")
    text = format_currency(value, currency, locale=spoken)
    if spoken.text_direction != "rtl":
        return text
    # The sign of US$ would jump to the other side of its letters between words written from right to left.
    symbol = get_currency_symbol(currency, locale=spoken)
    return text.replace(symbol, f"{_LEFT_TO_RIGHT}{symbol}{_LEFT_TO_RIGHT}")
