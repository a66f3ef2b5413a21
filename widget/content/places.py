"""Locations of texts in the files of a pack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from widget.domain.content.pack import Pack

Place = tuple[str | int, ...]


def place_of(pack: Pack, key: str) -> Place:
    """Return the location of a text key (``quiz.area.text``) in the files of the pack, in the form used by problems."""
    file, _, rest = key.partition(".")
    parts = rest.split(".")
    if file == "quiz" and parts[0] == "intro":
        return ("quiz.yaml", *parts)
    if file == "quiz":
        return _question(pack, parts)
    if file == "safety":
        return ("safety.yaml", "triage", _at(pack.triage, "id", parts[0]), "advice", *_counted(parts[1:]))
    if file == "mappings":
        return ("mappings.csv", _at(pack.mappings, "id", parts[0]), "reason")
    if file == "products":
        sku = next((product.sku for product in pack.products if rest.startswith(f"{product.sku}.")), "")
        within = rest.removeprefix(f"{sku}.").split(".")
        return ("products.yaml", _at(pack.products, "sku", sku), *_counted(within))
    if file == "tips":
        return (f"tips/{parts[0]}.md", *_counted(parts[1:]))
    if file == "emails":
        name = "subject.txt" if parts[-1] in ("subject", "preview") else f"body.{_markup(pack, parts[0])}"
        return (f"emails/{parts[0]}/{name}",)
    return _head(parts)


def _question(pack: Pack, parts: Sequence[str]) -> Place:
    at = _at(pack.quiz.questions, "id", parts[0])
    place: Place = ("quiz.yaml", "questions", at)
    if parts[1] == "options":
        return (*place, "options", _at(pack.quiz.questions[at].options, "id", parts[2]), *parts[3:])
    return (*place, *_counted(parts[1:]))


def _head(parts: Sequence[str]) -> Place:
    """Return the location of a key in pack.yaml, where keys count list items from 1 and name days by their number."""
    if parts[0] == "fallback_reason":
        return ("pack.yaml", "result", "fallback_reason")
    if parts[0] == "forms":
        return ("pack.yaml", "comparison", "names", parts[1])
    return ("pack.yaml", *_counted(parts))


def _counted(parts: Sequence[str]) -> Place:
    return tuple(int(part) - 1 if part.isdigit() else part for part in parts)


def _at(records: Sequence[Any], name: str, value: str) -> int:
    return next((at for at, record in enumerate(records) if getattr(record, name) == value), 0)


def _markup(pack: Pack, email: str) -> str:
    return next((item.markup for item in pack.emails if item.id == email), "md")
