"""Targets: what a mapping row, exclusion, or slot refers to, such as ``form:roll-on|spray; tag:menthol``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from widget.domain.catalog.product import Product

PRODUCT_KINDS = ("sku", "form", "tag", "contains", "allergen", "collection", "lacks")
TARGET_KINDS = (*PRODUCT_KINDS, "tip", "all")
DECLARABLE = ("contains", "allergens")
_PART = re.compile(r'\s*(?:"(?P<quoted>[^"]*)"|(?P<plain>[^|;&"]*))\s*(?P<next>[|;]|$)')
_HEAD = re.compile(r"\s*(?P<kind>[a-z]+)\s*(?P<colon>:)?")


class TargetError(ValueError):
    """Raised for a target that cannot be parsed; ``kind`` is the unknown kind, if that is the reason."""

    def __init__(self, message: str, kind: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Target:
    """A kind and its values; a product matches if any value does. Kind ``all`` has no values."""

    kind: str
    values: tuple[str, ...] = ()

    def fits(self, product: Product) -> bool:
        """Return whether the target names the product. Undeclared data matches only ``lacks``."""
        if self.kind == "lacks":
            return any(getattr(product, value) is None for value in self.values)
        return self.kind == "all" or not set(self.values).isdisjoint(_values(product, self.kind))

    def __str__(self) -> str:
        return self.kind if self.kind == "all" else f"{self.kind}:{'|'.join(map(_quoted, self.values))}"


def parse_targets(text: str) -> tuple[Target, ...]:
    """Parse ``kind:a|b; kind:c``. Raises TargetError, also if products and tips are mixed."""
    targets: list[Target] = []
    position = 0
    while True:
        target, position, more = _target(text, position)
        targets.append(target)
        if not more:
            break
    if {target.kind == "tip" for target in targets} == {True, False}:
        raise TargetError("a row cannot target both products and tips")
    return tuple(targets)


def format_targets(targets: Iterable[Target]) -> str:
    return "; ".join(map(str, targets))


def names_tips(targets: tuple[Target, ...]) -> bool:
    return bool(targets) and targets[0].kind == "tip"


def _target(text: str, position: int) -> tuple[Target, int, bool]:
    head = _HEAD.match(text, position)
    if head is None or not (head["colon"] or head["kind"] == "all"):
        raise TargetError(f"expected kind:value or all, not '{text[position:].strip()}'")
    kind = head["kind"]
    if kind not in TARGET_KINDS:
        raise TargetError(f"unknown target kind '{kind}'", kind)
    if kind == "all":
        rest = text[head.end() :].lstrip()
        if head["colon"] or (rest and rest[0] != ";"):
            raise TargetError("'all' does not take a value")
        return Target("all"), len(text) - len(rest) + 1, bool(rest)
    values: list[str] = []
    position = head.end()
    while True:
        part = _PART.match(text, position)
        if part is None:
            raise TargetError(f"cannot read '{text[position:].strip()}'. Try double quotes")
        values.append(_value(kind, part))
        position = part.end()
        if part["next"] != "|":
            return Target(kind, tuple(values)), position, part["next"] == ";"


def _value(kind: str, part: re.Match[str]) -> str:
    value = part["quoted"] if part["quoted"] is not None else part["plain"].strip()
    if not value:
        raise TargetError(f"'{kind}:' needs a value")
    if kind == "lacks" and value not in DECLARABLE:
        raise TargetError(f"'lacks:' must be followed by contains or allergens, not '{value}'")
    return value


def _values(product: Product, kind: str) -> tuple[str, ...]:
    if kind == "sku":
        return (product.sku,)
    if kind == "form":
        return (product.form,)
    if kind == "contains":
        return product.contains or ()
    if kind == "allergen":
        return product.allergens or ()
    if kind == "tag":
        return product.tags
    return product.collections if kind == "collection" else ()


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"[|;&]|^\s|\s$", value) else value
