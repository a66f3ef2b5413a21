"""Amounts in minor units as text."""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.numbers import format_currency, get_currency_precision


@lru_cache(maxsize=4096)
def money_text(amount: int, currency: str, locale: str) -> str:
    """``2400, "USD", "en"`` to ``$24.00``. Minor units after ISO 4217, words and signs after CLDR."""
    value = Decimal(amount).scaleb(-get_currency_precision(currency))
    try:
        return format_currency(value, currency, locale=Locale.parse(locale.replace("-", "_")))
    except (UnknownLocaleError, ValueError):
        return format_currency(value, currency, locale="en")
