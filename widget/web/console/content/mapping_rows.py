"""View model of the mapping table: filters, changes, and findings per row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from widget.content.editing import MAPPING, PRODUCT, Data, record_hash
from widget.content.sentences import Chip, Names, chips, row_sentence, target_parts, target_words, terms_of
from widget.domain.quiz.condition import ConditionError, parse_condition
from widget.storage.drafts import changed_lately
from widget.web.console.page_context import PageContext, percent
from widget.web.requests import current_services

A_PAGE = 250
LATELY = timedelta(minutes=5)
EFFECTS = {"boost": "Boost", "require": "Only", "exclude": "Exclude", "pin": "Pin first"}
NEW, EDITED, GONE = "new", "edited", "gone"


@dataclass
class RowView:
    """One row of the table.

    ``was``: its cells in the live version, where they differ. ``paths`` and ``answers`` are None if unknown.
    """

    id: str
    number: int
    cells: Data
    mark: str = ""
    was: Data = field(default_factory=dict)
    chips: list[Chip] | None = None
    target: str = ""
    target_kinds: tuple[str, ...] = ()
    sentence: str = ""
    paths: str | None = None
    paths_many: int | None = None
    answers: int | None = None
    findings: list[dict[str, Any]] = field(default_factory=list)
    other: str = ""
    """Another user who changed it in the last few minutes."""

    @property
    def effect(self) -> str:
        named = str(self.cells.get("effect", ""))
        return EFFECTS.get(named, named)

    @property
    def seen(self) -> str:
        return record_hash(self.cells)

    @property
    def worst(self) -> str:
        ranks = [finding["severity"] for finding in self.findings if finding["severity"] != "info"]
        return "error" if "error" in ranks else "warning" if ranks else ""

    def on(self, name: str) -> list[dict[str, Any]]:
        return [finding for finding in self.findings if finding["field"] == name]


@dataclass(frozen=True, slots=True)
class Filter:
    """The filter of the table. Empty fields do not restrict it."""

    kind: str = "products"
    question: str = ""
    product: str = ""
    effect: str = ""
    changed: bool = False
    findings: bool = False
    text: str = ""

    @classmethod
    def of(cls, args: Mapping[str, str]) -> Filter:
        text = {name: args.get(name, "")[:200] for name in ("question", "product", "effect")}
        kind = "tips" if args.get("kind") == "tips" else "products"
        return cls(kind, **text, changed="changed" in args, findings="findings" in args, text=args.get("q", "")[:200])

    @property
    def any(self) -> bool:
        return bool(self.question or self.product or self.effect or self.changed or self.findings or self.text)


def for_tips(cells: Data) -> bool:
    return str(cells.get("target", "")).lstrip().startswith("tip:")


def listed_rows(page: PageContext, wanted: Filter) -> list[RowView]:
    """Return the rows that match the filter in file order, with deleted rows in their former positions."""
    product = page.records(PRODUCT).get(wanted.product)
    findings = _findings_by_row(page)
    return [
        row
        for row in _marked(page)
        if for_tips(row.cells) == (wanted.kind == "tips") and _fits(row, wanted, product, findings)
    ]


def _findings_by_row(page: PageContext) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in page.findings(MAPPING):
        found.setdefault(finding["record"], []).append(finding)
    return found


def _marked(page: PageContext) -> Iterator[RowView]:
    rows, base = page.records(MAPPING), page.base_records(MAPPING)
    deleted_after: dict[str, list[str]] = {}
    last = ""
    for name in base:
        if name in rows:
            last = name
        else:
            deleted_after.setdefault(last, []).append(name)
    numbers = {name: at for at, name in enumerate(base, 1)}
    yield from (RowView(name, numbers[name], base[name], GONE) for name in deleted_after.get("", []))
    for at, (name, cells) in enumerate(rows.items(), 1):
        old = base.get(name)
        mark = NEW if old is None else EDITED if old != cells else ""
        was = {key: old[key] for key in cells if old[key] != cells[key]} if old and mark else {}
        yield RowView(name, at, cells, mark, was)
        yield from (RowView(item, numbers[item], base[item], GONE) for item in deleted_after.get(name, []))


def _fits(row: RowView, wanted: Filter, product: Data | None, findings: dict[str, Any]) -> bool:
    if wanted.effect and row.cells.get("effect") != wanted.effect:
        return False
    if wanted.changed and not row.mark:
        return False
    if wanted.findings and row.id not in findings:
        return False
    if wanted.question and wanted.question not in _fields(row.cells.get("when", "")):
        return False
    if product is not None and not names_product(row.cells.get("target", ""), product):
        return False
    text = " ".join(map(str, row.cells.values())).casefold()
    return all(word in text for word in wanted.text.casefold().split())


def _fields(when: str) -> set[str]:
    try:
        return parse_condition(when).fields()
    except ConditionError:
        return set()


def names_product(target: str, product: Data) -> bool:
    """Return whether a target includes a product, according to the product's data in the draft."""
    keys = {"contains": "contains", "allergen": "allergens", "tag": "tags", "collection": "collections"}
    for kind, _, values in target_parts(target, Names({}, {}, {})) or []:
        if kind == "all":
            return True
        if kind in ("sku", "form") and product.get(kind) in values:
            return True
        if kind in keys and set(values) & set(product.get(keys[kind]) or []):
            return True
        if kind == "lacks" and any(value not in product for value in values):
            return True
    return False


def note_others(page: PageContext, rows: list[RowView]) -> None:
    """Set on each row which other user changed it within the last five minutes, as a warning of conflicts."""
    services = current_services()
    with services.reads() as session:
        lately = changed_lately(session, page.draft.id, services.now() - LATELY, page.me.id)
    for row in rows:
        row.other = lately.get(f"{MAPPING}/{row.id}", "")


def dressed(page: PageContext, names: Names, rows: list[RowView]) -> list[RowView]:
    """Return the rows with wording, findings, and figures added. Meant only for rows that are shown."""
    report = page.known_report
    findings = _findings_by_row(page)
    paths = report["paths"] if report else None
    for row in rows:
        cells = row.cells
        row.chips = chips(cells.get("when", ""), names)
        row.target = target_words(cells.get("target", ""), names)
        row.target_kinds = tuple(kind for kind, _, _ in target_parts(cells.get("target", ""), names) or [])
        row.sentence = row_sentence(cells, names)
        row.findings = findings.get(row.id, []) if row.mark != GONE else []
        if paths and row.id in paths["rows"]:
            row.paths_many = paths["rows"][row.id]
            row.paths = percent(row.paths_many, paths["paths"])
        if report and row.mark != GONE:
            row.answers = report["row_answers"].get(row.id, 0) if report["answers"] else None
    return rows


def editor_data(row: RowView, names: Names) -> dict[str, Any]:
    """Return the parsed condition and targets of a row for scripts; None for terms that cannot be parsed."""
    return {
        "terms": terms_of(row.cells.get("when", "")),
        "targets": [[kind, values] for kind, _, values in target_parts(row.cells.get("target", ""), names) or []],
    }
