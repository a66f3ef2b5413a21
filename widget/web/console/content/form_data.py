"""Conversion of forms into records, and of records into the values of form fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from widget.content.editing import Data
from widget.web.console.content.fields import FIELDS, GROUP, LINES, LONG, MARKDOWN, MAX_TEXT, PAIRS, ROWS, WORDS, Field
from widget.web.numbers import whole_number


def read_form(kind: str, form: Mapping[str, str], before: Data | None) -> Data:
    """Return the record that a form describes. Keys without a form field keep their previous values."""
    known = {field.name for field in FIELDS[kind]}
    kept = {name: value for name, value in (before or {}).items() if name not in known}
    read = _read(FIELDS[kind], form, "")
    merged: Data = {name: kept[name] for name in ("id", "sku") if name in kept}
    merged.update(read)
    return merged | {name: value for name, value in kept.items() if name not in merged}


def _read(fields: tuple[Field, ...], form: Mapping[str, str], prefix: str) -> Data:
    found: Data = {}
    for field in fields:
        value = _value(field, form, f"{prefix}{field.name}")
        if value not in (None, "", {}) and not (value == [] and field.kind != WORDS):
            found[field.name] = value
    filled: Data = {name: value for name, value in found.items() if value != []}
    filled.update(_declared(found))
    return filled


def _declared(found: Data) -> Data:
    """Return empty lists for fields that contain "none": declared empty is not the same as left out."""
    return {name: [] for name in ("contains", "allergens") if found.get(name) == ["none"]}


def _value(field: Field, form: Mapping[str, str], name: str) -> Any:
    text = form.get(name, "").replace("\r\n", "\n").replace("\r", "\n")[:MAX_TEXT]
    if field.kind == GROUP:
        return _read(field.of, form, f"{name}.")
    if field.kind == ROWS:
        return _rows(field, form, name)
    if field.kind == LINES:
        return [line.strip() for line in text.split("\n") if line.strip()]
    if field.kind == WORDS:
        return [word.strip() for word in text.replace("\n", ",").split(",") if word.strip()]
    if field.kind == PAIRS:
        pairs = (line.partition("=") for line in text.split("\n") if line.strip())
        return {key.strip(): value.strip() for key, _, value in pairs if key.strip()}
    if field.kind in (MARKDOWN, LONG):
        return text.strip("\n")
    return " ".join(text.split())


def _rows(field: Field, form: Mapping[str, str], name: str) -> list[Data]:
    """Return the rows that are not empty, sorted by the number in their order column."""
    numbers = {part for key in form if key.startswith(f"{name}.") and (part := key[len(name) + 1 :].split(".")[0])}
    rows = []
    for number in sorted((item for item in numbers if whole_number(item, most=9999) is not None), key=int):
        row = _read(field.of, form, f"{name}.{number}.")
        if set(row) - {"only"}:
            order = form.get(f"{name}.{number}.~order", "")
            rows.append((9999 if (position := whole_number(order, most=9999)) is None else position, row))
    return [row for _, row in sorted(rows, key=lambda item: item[0])]


def shown_value(field: Field, value: Any) -> str:
    """Return a value of a record as its form field shows it."""
    if field.name in ("contains", "allergens") and value == []:
        return "none"
    if isinstance(value, str) or value is None:
        return value or ""
    if isinstance(value, dict):
        return "\n".join(f"{key} = {item}" for key, item in value.items())
    return ("\n" if field.kind == LINES else ", ").join(map(str, value))


def missing_fields(kind: str, record: Data) -> list[str]:
    """Return the labels of the required fields that are empty."""
    return [field.label for field in FIELDS[kind] if field.needed and not record.get(field.name)]
