"""Changes of an imported mapping sheet to a pack: added, changed, and removed rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from widget.content.mapping_table import MAPPING_COLUMNS
from widget.content.schemas import MappingSchema
from widget.domain.content.pack import Mapping, Pack

Cells = dict[str, str]


@dataclass(frozen=True, slots=True)
class Change:
    """A changed row. ``before`` and ``after``: text by column where they differ; empty for added or removed rows."""

    kind: str
    row: str
    before: Cells
    after: Cells


@dataclass(frozen=True, slots=True)
class MappingChanges:
    """All changes. ``moved``: whether remaining rows changed their order, which determines which pin or reason wins."""

    changes: tuple[Change, ...]
    moved: bool

    def count(self, kind: str) -> int:
        return sum(change.kind == kind for change in self.changes)


def row_cells(row: Mapping) -> Cells:
    """Return a mapping row as text by column."""
    data = MappingSchema().dump(row)
    return {name: "" if data.get(name) is None else str(data[name]) for name in MAPPING_COLUMNS}


def mapping_cells(pack: Pack) -> list[Cells]:
    return [row_cells(row) for row in pack.mappings]


def mapping_changes(before: Sequence[Mapping], after: Sequence[Mapping]) -> MappingChanges:
    """Return the changes by row id, in the order of the new sheet, with removed rows at the end."""
    old = {row.id: row_cells(row) for row in before}
    changes = []
    for row in after:
        cells = row_cells(row)
        known = old.get(row.id)
        if known is None:
            changes.append(Change("added", row.id, {}, cells))
        elif known != cells:
            differing = [name for name in MAPPING_COLUMNS if known[name] != cells[name]]
            was, now = ({name: item[name] for name in differing} for item in (known, cells))
            changes.append(Change("changed", row.id, was, now))
    new = {row.id for row in after}
    changes += [Change("removed", name, cells, {}) for name, cells in old.items() if name not in new]
    stay = [row.id for row in before if row.id in new]
    return MappingChanges(tuple(changes), [row.id for row in after if row.id in old] != stay)
