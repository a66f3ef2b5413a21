"""Conditions, targets, and mapping rows in words, from the records of a draft, whether or not they are valid."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from widget.content.editing import MAPPING, PRODUCT, QUESTION, TIP, Data, fresh_id, records_of
from widget.content.files import PackFiles
from widget.domain.catalog.target import TargetError, parse_targets
from widget.domain.quiz.condition import SKIPPED, ConditionError, Term, parse_condition

_COMPARED = {">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_SIGNS = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}
_LISTS = {"form": "form", "tag": "tags", "contains": "contains", "allergen": "allergens", "collection": "collections"}


@dataclass(frozen=True, slots=True)
class Chip:
    """One comparison in a condition: the question in a light color, the value in a dark one.

    ``negated``: shown with a bold "not" before the value; ``joined``: the word between the previous chip and this one.
    """

    question: str
    value: str
    negated: bool
    joined: str = "and"


@dataclass
class Names:
    """Display names of the ids in a draft (questions with options, products, tips), and the values for targets."""

    questions: dict[str, dict[str, Any]]
    products: dict[str, str]
    tips: dict[str, str]
    known: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, files: PackFiles) -> Names:
        products = records_of(files, PRODUCT)
        known: dict[str, list[str]] = {"sku": list(products), "tip": list(records_of(files, TIP))}
        for kind, key in _LISTS.items():
            found: dict[str, None] = {}
            for product in products.values():
                values = product.get(key) or []
                found.update(dict.fromkeys([values] if isinstance(values, str) else values))
            known[kind] = sorted(found)
        return cls(
            {name: _question(record) for name, record in records_of(files, QUESTION).items()},
            {sku: str(product.get("name", sku)) for sku, product in products.items()},
            {name: str(record.get("title", name)) for name, record in records_of(files, TIP).items()},
            known,
        )

    def question(self, name: str) -> str:
        return str(self.questions.get(name, {}).get("label", name))

    def option(self, question: str, value: str) -> str:
        if value == SKIPPED:
            return "skipped"
        return str(self.questions.get(question, {}).get("options", {}).get(value, value))

    def data(self) -> dict[str, Any]:
        """Return the choices for conditions and targets, for scripts."""
        return {"questions": self.questions, "known": self.known, "products": self.products, "tips": self.tips}


def _question(record: Data) -> dict[str, Any]:
    options = {
        str(option.get("id")): str(option.get("short") or option.get("text") or option.get("id"))
        for option in _options(record)
    }
    if record.get("kind") == "scale":
        first, last = _whole(record.get("from")), _whole(record.get("to"))
        options = {str(n): f"{n} of {last}" for n in range(first, min(last, first + 100) + 1)}
    label = str(record.get("label") or record.get("text") or record.get("id"))
    return {
        "label": label,
        "text": str(record.get("text", label)),
        "kind": record.get("kind", "single"),
        "optional": record.get("optional") == "true",
        "options": options,
    }


def _options(record: Data) -> list[Data]:
    listed = record.get("options") or []
    return [item for item in listed if isinstance(item, dict)]


def _whole(text: Any) -> int:
    try:
        return int(text)
    except (TypeError, ValueError):
        return 0


# Conditions ------------------------------------------------------------------------------------------


def terms_of(text: str) -> list[list[list[Any]]] | None:
    """Return a condition as clauses of [question, operator, values, negated]; None if it cannot be parsed."""
    try:
        clauses = parse_condition(text).clauses
    except ConditionError:
        return None
    return [[[t.field, t.operator, list(t.values), t.negated] for t in clause] for clause in clauses]


def chips(text: str, names: Names) -> list[Chip] | None:
    """Return a condition as chips; None if it cannot be parsed, and an empty list if it always holds."""
    try:
        clauses = parse_condition(text).clauses
    except ConditionError:
        return None
    found = []
    for at, clause in enumerate(clauses):
        for place, term in enumerate(clause):
            joined = "and" if place else "or" if at else ""
            found.append(Chip(names.question(term.field), _value(term, names), _is_not(term), joined))
    return found


def _is_not(term: Term) -> bool:
    return term.negated != (term.operator == "!=")


def _value(term: Term, names: Names) -> str:
    if term.operator in _SIGNS:
        return f"{_SIGNS[term.operator]} {term.values[0]}"
    return ", ".join(names.option(term.field, value) for value in term.values)


def condition_words(text: str, names: Names) -> str:
    """Return a condition in words, such as "soreness is at least 7 and health is not daisy allergy"."""
    try:
        clauses = parse_condition(text).clauses
    except ConditionError:
        return text
    return " or ".join(" and ".join(_term_words(term, names) for term in clause) for clause in clauses) or "always"


def _term_words(term: Term, names: Names) -> str:
    name, no = names.question(term.field), "not " if _is_not(term) else ""
    if term.operator in _COMPARED:
        return f"{name} is {no}{_COMPARED[term.operator]} {term.values[0]}"
    return f"{name} is {no}{_either(names.option(term.field, value) for value in term.values)}"


def _either(words: Iterable[str]) -> str:
    *rest, last = list(words)
    return f"{', '.join(rest)} or {last}" if rest else last


# Targets and rows ------------------------------------------------------------------------------------


def target_parts(text: str, names: Names) -> list[tuple[str, str, list[str]]] | None:
    """Return (kind, names in words, values) of each target; None if the text cannot be parsed."""
    try:
        targets = parse_targets(text)
    except TargetError:
        return None
    called = {"sku": names.products, "tip": names.tips}
    return [
        (target.kind, ", ".join(called.get(target.kind, {}).get(v, v) for v in target.values), list(target.values))
        for target in targets
    ]


def target_words(text: str, names: Names) -> str:
    parts = target_parts(text, names)
    if parts is None:
        return text
    said = {
        "sku": "{}",
        "tip": "the tip {}",
        "all": "every product",
        "form": "every {}",
        "tag": "every product tagged {}",
        "contains": "every product that contains {}",
        "allergen": "every product that declares {}",
        "collection": "every product in {}",
        "lacks": "every product that does not declare its {}",
    }
    return " and ".join(said.get(kind, "{}").format(words) for kind, words, _ in parts)


def row_sentence(row: Data, names: Names) -> str:
    """Return a mapping row as a sentence."""
    when, target = row.get("when", ""), target_words(row.get("target", ""), names)
    weight = row.get("weight", "")
    takes = weight.startswith("-")
    does = {
        "boost": f"{'subtract' if takes else 'add'} {weight.lstrip('+-') or '?'} {'from' if takes else 'to'} {target}",
        "require": f"show only {target}",
        "exclude": f"never show {target}",
        "pin": f"put {target} first",
    }.get(row.get("effect", ""), f"apply an unknown effect to {target}")
    return f"{f'When {condition_words(when, names)}, ' if when.strip() else 'Always '}{does}."


def mapping_id(row: Data, files: PackFiles) -> str:
    """Return an unused id for a new row, derived from its first value and its target."""
    terms = terms_of(row.get("when", "")) or []
    value = terms[0][0][2][0] if terms and terms[0] else "always"
    parts = target_parts(row.get("target", ""), Names({}, {}, {})) or []
    return fresh_id(f"{value}-{parts[0][2][0] if parts and parts[0][2] else 'all'}", records_of(files, MAPPING))
