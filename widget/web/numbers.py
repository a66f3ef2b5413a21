"""Whole numbers in requests: ids, revisions, offsets."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.routing import IntegerConverter, Map

MAX_ID = 2**31 - 1
"""What an INTEGER column holds on PostgreSQL."""


def whole_number(text: Any, *, most: int = MAX_ID) -> int | None:
    """The number a text says, from 0 to ``most``; None for anything else (``²`` is a digit to Python)."""
    text = str(text or "")
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    number = int(text)
    return number if number <= most else None


class IdConverter(IntegerConverter):
    """``<int:…>`` in an address: no id is larger than a column takes."""

    regex = "[0-9]{1,10}"

    def __init__(self, map: Map, **options: Any) -> None:  # noqa: A002  # As werkzeug names it.
        super().__init__(map, **{"max": MAX_ID, **options})


def register_numbers(app: Flask) -> None:
    """Before any route is added."""
    app.url_map.converters["int"] = IdConverter
