"""Export of mappings to a spreadsheet, and import with a preview."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import click

from widget.content.claim_check import claim_problems
from widget.content.files import PackFiles, write_whole
from widget.content.mapping_changes import Change, MappingChanges, mapping_cells, mapping_changes
from widget.content.mapping_table import MAPPING_COLUMNS
from widget.content.reader import read_files
from widget.content.reading import Located
from widget.content.spreadsheet import Cells, csv_sheet, read_sheet, xlsx_sheet
from widget.content.workbook import BadSheet
from widget.domain.content.pack import Pack

MAX_REPORTED, MAX_SHOWN = 50, 500
_KINDS = {".csv": csv_sheet, ".xlsx": xlsx_sheet}


def write_mappings(pack: Pack, path: Path) -> None:
    """Write the mappings of a pack to a .csv or .xlsx file."""
    kind = _KINDS.get(path.suffix.lower())
    if kind is None:
        raise click.UsageError(f"{path.name}: use a file name that ends in .csv or .xlsx.")
    rows = mapping_cells(pack)
    try:
        write_whole(path, kind(rows))
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}.") from error
    click.echo(f"{len(rows)} rows written to {path}.")


def with_sheet(files: PackFiles, before: Pack, path: Path) -> tuple[PackFiles, MappingChanges]:
    """Return the files with the mappings of a sheet, and the changes.

    For an invalid sheet, print row, column, and reason, and raise ClickException (exit status 1).
    """
    try:
        rows = read_sheet(path)
    except BadSheet as error:
        raise _refused(path, [str(error)]) from error
    known = {cells["id"]: cells for cells in mapping_cells(before)}
    whole = [{**known.get(cells["id"], {}), **cells} for _, cells in rows]  # A missing column keeps its values.
    fresh = {**files, "mappings.csv": _table(whole)}
    reading = read_files(fresh, [])
    if reading.pack is not None:
        reading.add(
            claim_problem for claim_problem in claim_problems(reading.pack) if claim_problem.place[0] == "mappings.csv"
        )
    if reading.errors or reading.pack is None:
        raise _refused(path, [_told(item, [number for number, _ in rows]) for item in reading.errors])
    return fresh, mapping_changes(before.mappings, reading.pack.mappings)


def _refused(path: Path, messages: list[str]) -> click.ClickException:
    for message in messages[:MAX_REPORTED]:
        click.secho(f"✗ {path.name}, {message}", fg="red", err=True)
    if len(messages) > MAX_REPORTED:
        click.secho(f"… and {len(messages) - MAX_REPORTED} more", fg="red", err=True)
    return click.ClickException("Nothing was changed. Fix the sheet and try again.")


def _told(located: Located, numbers: list[int]) -> str:
    """Describe a problem of mappings.csv with the row and column of the sheet."""
    place = located.problem.place
    if located.file != "mappings.csv":
        return f"{located.file}, line {located.line}: {located.problem.message}"
    at = place[1] if len(place) > 1 and isinstance(place[1], int) else located.line - 2
    row = numbers[at] if 0 <= at < len(numbers) else at + 2
    column = f", column {place[2]}" if len(place) > 2 else ""
    message = located.problem.message.removeprefix(f"{place[2]}: ") if column else located.problem.message
    return f"row {row}{column}: {message}"


def _table(rows: list[Cells]) -> str:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, MAPPING_COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def preview(mapping_changes: MappingChanges) -> None:
    """Print each added, changed, and removed row."""
    for change in mapping_changes.changes[:MAX_SHOWN]:
        _print_change(change)
    if len(mapping_changes.changes) > MAX_SHOWN:
        click.echo(f"… and {len(mapping_changes.changes) - MAX_SHOWN} more rows")
    if mapping_changes.moved:
        click.echo("~ the order of rows changes")
    counts = ", ".join(f"{mapping_changes.count(kind)} {kind}" for kind in ("added", "changed", "removed"))
    click.secho(f"{counts}.", bold=True)


def _print_change(change: Change) -> None:
    mark, color = {"added": ("+", "green"), "removed": ("-", "red"), "changed": ("~", "yellow")}[change.kind]
    click.secho(f"{mark} {change.row}", fg=color)
    for name in change.before if change.kind == "changed" else ():
        click.echo(f"    {name}: {change.before[name] or 'empty'} → {change.after[name] or 'empty'}")
    if change.kind != "changed":
        cells = change.after or change.before
        click.echo(f"    {cells['when'] or 'always'}: {cells['effect']} {cells['target']} {cells['weight']}".rstrip())
