"""Parsing of untrusted values from stores: ids as text, money as decimal text, moments with or without a time zone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeVar

from babel.numbers import get_currency_precision

from widget.domain.orders.order import Quantity, tidy
from widget.domain.orders.webhook import MAX_ID, Unreadable

VISIT = "recovery_quiz"
MAX_TEXT = 1000
MAX_LINES = 1000
_Value = TypeVar("_Value")
_QUANTITY = re.compile(r"\d{1,6}(\.\d{1,12})?", re.ASCII)
_NEVER = datetime(9990, 1, 1, tzinfo=UTC)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Raise every error caused by an unexpected body as Unreadable."""
    try:
        yield
    except Unreadable:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise Unreadable(f"the body is not a valid {what} ({type(error).__name__})") from error


def json_of(body: bytes) -> dict[str, Any]:
    """Return the JSON object in a body. Numbers stay text: ids exceed 2^53, and money must not be a float."""
    data = json.loads(body, parse_int=str, parse_float=str)
    if not isinstance(data, dict):
        raise Unreadable("the body is not a JSON object")
    return data


def part(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a member that is an object; a missing or null one is empty. Raises Unreadable."""
    value = data.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable(f"{name} is not an object")
    return value


def items_of(data: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return a member that is a list of objects; a missing or null one is empty. Raises Unreadable."""
    value = data.get(name)
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Unreadable(f"{name} is not a list of objects")
    if len(value) > MAX_LINES:
        raise Unreadable(f"{name} has more than {MAX_LINES:,} entries")
    return value


def text(value: Any) -> str:
    if isinstance(value, dict | list):
        raise Unreadable("a text value is a list or an object")
    plain = "" if value is None or isinstance(value, bool) else str(value)
    if "\x00" in plain:
        raise Unreadable("a text contains a NUL character")
    if len(plain) > MAX_TEXT:
        plain = plain[:MAX_TEXT]
    return plain.encode("utf-8", "replace").decode().strip()  # A database cannot store lone surrogates.


def id_of(value: Any, whose: str) -> str:
    """Return a required id. Raises Unreadable."""
    found = text(value)
    if not found:
        raise Unreadable(f"{whose} has no ID")
    if len(found.encode()) > MAX_ID:
        raise Unreadable(f"{whose} has an ID of more than {MAX_ID} bytes")
    return found


def flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def moment(value: Any) -> datetime | None:
    """Parse ISO 8601, or seconds since 1970. Without a time zone, it is UTC. Raises Unreadable."""
    if not isinstance(value, str) or not value:
        return None
    if value.isascii() and value.isdigit() and len(value) < 12:
        return datetime.fromtimestamp(int(value), UTC)
    found = datetime.fromisoformat(value)
    found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    if found > _NEVER or found.year < 1990:
        raise Unreadable("a time is out of range")
    return found


def quantity(value: Any, *, missing: Quantity = 1) -> Quantity:
    """Return a quantity, whole or decimal. Raises Unreadable."""
    plain = text(value)
    if not plain:
        return missing
    if not _QUANTITY.fullmatch(plain):
        raise Unreadable("a quantity is not a number")
    return tidy(Decimal(plain))


def line_text(line: Mapping[str, Any], name: str, most: int = MAX_TEXT) -> str:
    """Return a text of an order line; empty if it is unreadable: one odd line must not lose the order."""
    return _or_else(lambda: text(line.get(name))[:most], "")


def line_quantity(line: Mapping[str, Any], name: str = "quantity", missing: Quantity = 1) -> Quantity:
    """Return a quantity of an order line; ``missing`` if it is unreadable."""
    return _or_else(lambda: quantity(line.get(name), missing=missing), missing)


def line_price(line: Mapping[str, Any], currency: str, read: Callable[[Any, str], int | None]) -> int | None:
    """Return the price of an order line in minor units, by ``money`` or ``minor_units``; None if it is unreadable."""
    return _or_else(lambda: read(line.get("price"), currency), None)


def _or_else(read: Callable[[], _Value], instead: _Value) -> _Value:
    try:
        return read()
    except (ValueError, TypeError, AttributeError, ArithmeticError):
        return instead


def lines_of(data: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """Return the objects in a member that is a list of order lines, at most MAX_LINES. Raises Unreadable."""
    value = data.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unreadable(f"{name} is not a list")
    return [item for item in value[:MAX_LINES] if isinstance(item, dict)]


def minor_units(value: Any, currency: str) -> int | None:
    """Return minor units from minor units (``2400``) or from decimal text in whole units (``"24.00"``).

    ``money`` applies the currency's number of decimals: ``"1500.00"`` yen are 1500, and so are ``"1.500"`` dinars.
    """
    if "." in str(value):
        return money(value, currency)
    return None if (amount := _amount(value)) is None else int(amount)


def money(value: Any, currency: str) -> int | None:
    """Return minor units (ISO 4217) from an amount in whole units (``"24.00"``, ``"24"``, ``24``)."""
    amount = _amount(value)
    return None if amount is None else round(amount.scaleb(get_currency_precision(currency or "USD")))


def _amount(value: Any) -> Decimal | None:
    if value is None or isinstance(value, bool) or value == "":
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation as error:
        raise Unreadable("an amount is not a number") from error
    if not amount.is_finite() or abs(amount) > 10**12:
        raise Unreadable("an amount is not a number")
    return amount


def named_values(value: Any, name: str = "name") -> dict[str, Any]:
    """Return ``{name: value}`` from the same or from a list of ``{name, value}``."""
    if isinstance(value, list):
        return {str(item.get(name)): item.get("value") for item in value if isinstance(item, dict)}
    return value if isinstance(value, dict) else {}


def visit_in(attributes: Mapping[str, Any]) -> str:
    """Return the visit id that the widget added to the cart."""
    value = attributes.get(VISIT)
    return text(value)[:64] if isinstance(value, str) else ""
