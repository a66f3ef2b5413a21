"""Mapping of a pack problem's place to the record and field that it concerns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from widget.content.editing import (
    ACCEPTANCE,
    EMAIL,
    EXCLUSION,
    INTRO,
    MAPPING,
    PACK,
    PRODUCT,
    QUESTION,
    SEQUENCE,
    TEXT,
    TIP,
    TRIAGE,
    records_of,
)
from widget.content.files import PackFiles

Place = tuple[str | int, ...]
Spot = tuple[str, str, str]
"""(kind, id, field); the field may be empty."""
_LISTS = {
    ("quiz.yaml", "questions"): QUESTION,
    ("safety.yaml", "triage"): TRIAGE,
    ("safety.yaml", "exclusions"): EXCLUSION,
    ("emails/sequences.yaml", "sequences"): SEQUENCE,
    ("claims.yaml", "accepted"): ACCEPTANCE,
}


def spotter(files: PackFiles) -> Callable[[Place], Spot]:
    """Return a function that maps places in these files to records and fields."""
    ids: dict[str, list[str]] = {}

    def at(kind: str, index: Any) -> str:
        if kind not in ids:
            ids[kind] = list(records_of(files, kind))
        return ids[kind][index] if isinstance(index, int) and 0 <= index < len(ids[kind]) else ""

    def spot(place: Place) -> Spot:
        file, *path = place
        rest = [str(step) for step in path]
        if file == "mappings.csv":
            return MAPPING, at(MAPPING, path[0] if path else None), rest[1] if len(rest) > 1 else ""
        if file == "products.yaml":
            return PRODUCT, at(PRODUCT, path[0] if path else None), ".".join(rest[1:])
        if file == "quiz.yaml" and path[:1] == ["intro"]:
            return INTRO, INTRO, ".".join(rest[1:])
        listed = _LISTS.get((str(file), rest[0] if rest else ""))
        if listed:
            return listed, at(listed, path[1] if len(path) > 1 else None), ".".join(rest[2:])
        return _by_file(str(file), rest)

    return spot


def _by_file(file: str, rest: list[str]) -> Spot:
    folder, _, name = file.partition("/")
    if folder == "tips":
        return TIP, name.removesuffix(".md"), ".".join(rest) or "body"
    if folder == "emails":
        email, _, part = name.partition("/")
        return EMAIL, email, "subject" if part == "subject.txt" else "body"
    if folder == "locales":
        return f"{TEXT}.{name.removesuffix('.yaml')}", rest[0] if rest else "", "text"
    return PACK, PACK, ".".join(rest)
