"""Whole numbers in requests: ids, revisions, offsets."""

from __future__ import annotations

from typing import Any

from flask import Flask
from werkzeug.routing import IntegerConverter, Map

MAX_ID = 2**31 - 1
"""The largest value of an INTEGER column in PostgreSQL."""


def whole_number(text: Any, *, most: int = MAX_ID) -> int | None:
    """Parse a whole number from 0 to ``most``; return None for anything else (Python takes ``²`` for a digit)."""
    text = str(text or "")
    if not (text.isascii() and text.isdigit() and len(text) <= 10):
        return None
    number = int(text)
    return number if number <= most else None


class IdConverter(IntegerConverter):
    """Converter for ``<int:…>`` in routes that matches no id larger than a column can hold."""

    regex = "[0-9]{1,10}"

    def __init__(self, map: Map, **options: Any) -> None:  # noqa: A002  # Named by werkzeug.
        super().__init__(map, **{"max": MAX_ID, **options})


def register_numbers(app: Flask) -> None:
    """Register the converter. Call this before adding any route."""
    app.url_map.converters["int"] = IdConverter
