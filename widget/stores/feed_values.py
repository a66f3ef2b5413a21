"""Parsing of feed values: prices, names, URLs, and periods. Ambiguous values are rejected, never guessed."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from html import unescape
from urllib.parse import urljoin, urlsplit

import nh3
from babel.numbers import get_currency_precision, is_currency

MAX_NAME, MAX_ADDRESS, MAX_AMOUNT = 150, 2000, 10**9
_PRICE = re.compile(r"(?:([A-Za-z]{3})\s*)?([0-9][0-9.,]*)(?:\s*([A-Za-z]{3}))?")
_NUMBER = re.compile(r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]{1,12})(?:\.[0-9]{1,6})?")
_ZONE = re.compile(r"([+-][0-9]{2})([0-9]{2})$")
_SOME_ROUNDS = 4


class BadValue(ValueError):
    """An invalid value. The message says what is wrong in the terms of the feed."""


def amount_of(text: str, currency: str) -> tuple[int, str]:
    """Parse ``1,299.00 USD`` as (129900, "USD"); a bare number is in ``currency``. Raises BadValue.

    Decimals follow a dot, and commas only separate thousands (Google's product data specification). Minor units are
    those of ISO 4217.
    """
    found = _PRICE.fullmatch(text.strip())
    if found is None or not _NUMBER.fullmatch(found[2]) or (found[1] and found[3]):
        raise BadValue(
            f"price {text.strip()[:40]!r} is not an amount such as 15.00 USD" if text.strip() else "no price"
        )
    code = (found[1] or found[3] or currency).upper()
    decimals = _decimals(code)
    if decimals is None:
        raise BadValue(f"unknown currency {code!r}")
    minor = Decimal(found[2].replace(",", "")).scaleb(decimals)
    if minor != minor.to_integral_value():
        raise BadValue(f"price {text.strip()[:40]!r} has more decimals than {code} allows")
    if not 0 < minor <= MAX_AMOUNT:
        raise BadValue(f"price {text.strip()[:40]!r} is out of range")
    return int(minor), code


@lru_cache(maxsize=256)
def _decimals(code: str) -> int | None:
    return get_currency_precision(code) if is_currency(code) else None


def name_of(text: str) -> str:
    """Return a name as plain text, without invisible characters or markup, even repeatedly escaped. Raises BadValue."""
    plain = visible(text[: MAX_NAME * 40])
    if "<" in plain or "&" in plain:
        plain = _without_markup(plain)
    shown = " ".join(plain.split())
    if not shown:
        raise BadValue("it has no title")
    if len(shown) > MAX_NAME:
        shown = shown[: MAX_NAME - 1].rsplit(" ", 1)[0] + "…"
    return shown


def _without_markup(text: str) -> str:
    """Remove markup until nothing changes: text that was escaped twice becomes markup when it is unescaped once."""
    for _ in range(_SOME_ROUNDS):
        before, text = text, visible(unescape(nh3.clean(text, tags=set())))
        if text == before:
            return text
    return text.replace("<", " ").replace(">", " ")


def visible(text: str) -> str:
    """Remove control and format characters, which could reverse the text or hide a word from the claims lint."""
    if text.isprintable():
        return text
    return "".join(
        " " if item in "\t\n\r" else item
        for item in text
        if item in "\t\n\r" or unicodedata.category(item) not in ("Cc", "Cf", "Co", "Cs", "Cn")
    )


def web_address(text: str, base: str) -> str:
    """Return an http or https URL; a path is resolved against ``base``. Raises BadValue."""
    try:
        given = urlsplit(text)
        whole = urljoin(base, text) if base and not given.scheme and not text.startswith("//") else text
        parts = urlsplit(whole)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.username
    except ValueError:
        good = False
    if not good or len(whole) > MAX_ADDRESS or " " in whole or not whole.isprintable():
        raise BadValue("it is not an http or https URL")
    return whole


def in_period(text: str, now: datetime) -> bool:
    """Return whether ``2026-11-01T13:00-0500/2026-12-01T15:30-0500`` includes ``now``. Raises BadValue.

    An empty period always does.
    """
    if not text:
        return True
    try:
        start, end = (_moment(part) for part in text.split("/"))
        return start <= now < end
    except (ValueError, TypeError) as error:
        raise BadValue(f"the period {text[:60]!r} cannot be read") from error


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(_ZONE.sub(r"\1:\2", text.strip()))
    if moment.tzinfo is None:
        raise ValueError("a time has no time zone")
    return moment
