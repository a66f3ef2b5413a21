"""recovery-quiz content …"""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from widget.actions.check_content import check_content
from widget.actions.export_content import export_content
from widget.actions.import_content import import_content
from widget.actions.publish_content import publish_content
from widget.commands.impact import compare_command, coverage
from widget.commands.opening import opened_parts
from widget.commands.reading import read_or_refuse, sound_pack
from widget.commands.reports import as_json, print_problems, progress_bar
from widget.commands.sheets import preview, with_sheet, write_mappings
from widget.content.claim_check import CannotAccept, accept_claim
from widget.content.files import PackFiles, write_folder
from widget.content.formatting import formatted_files
from widget.content.reader import read_files
from widget.content.writer import canonical_files

AUTHOR = "command line"


class Days(click.ParamType[timedelta]):
    """A number of days, as 60d or 60."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        text = str(value).removesuffix("d")
        if not text.isdigit() or int(text) > 3660:
            self.fail(f"{value!r} is no number of days such as 60d", param, ctx)
        return timedelta(days=int(text))


def today() -> date:
    return datetime.now(UTC).date()


@click.group()
def content() -> None:
    """Check, compare, import and export content packs."""


content.add_command(coverage)
content.add_command(compare_command)


@content.command()
@click.argument("pack", type=click.Path(path_type=Path))
@click.option("--soon", type=Days(), default=None, help="Also what falls due within this time, such as 60d.")
@click.option("--json", "json_wanted", is_flag=True, help="Problems as JSON.")
def check(pack: Path, soon: timedelta | None, json_wanted: bool) -> None:
    """All problems of a PACK folder, with file, line and the nearest valid name. Exit 1 when one is an error."""
    reading = read_or_refuse(pack)
    with progress_bar("Going through all answer paths") as bar:
        check_content(reading, today=today(), soon=soon, progress=bar)
    if json_wanted:
        as_json({"problems": [each.data() for each in reading.problems]})
    else:
        print_problems(pack, reading)
    if reading.errors:
        raise SystemExit(1)


@content.command("import")
@click.argument("pack", type=click.Path(path_type=Path), required=False)
@click.option("--shop", default="demo", show_default=True, help="The shop that gets it.")
@click.option("--quiz", default="leg-day", show_default=True, help="The quiz, where no PACK is given.")
@click.option("--publish/--no-publish", default=False, help="Make it the live version at once.")
@click.option("--note", default="", help="What changed, for the history.")
@click.option("--mappings", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A .csv or .xlsx.")
@click.option("--yes", is_flag=True, help="Do it without asking.")
def import_command(
    pack: Path | None, shop: str, quiz: str, publish: bool, note: str, mappings: Path | None, yes: bool
) -> None:
    """Import a PACK folder as a new content version of a shop. With errors, nothing is stored.

    With --mappings FILE, the rows of a spreadsheet take the place of the mappings: of the PACK folder, or without one
    of the shop's live version. What changes is shown first.
    """
    if mappings is not None:
        _import_sheet(pack, shop, quiz, mappings, publish=publish, yes=yes)
        return
    if pack is None:
        raise click.UsageError("give the folder of a pack, or --mappings FILE")
    reading = read_or_refuse(pack)
    check_content(reading, today=today())
    if reading.errors:
        print_problems(pack, reading)
        raise SystemExit(1)
    _store(shop, reading.files, note, publish=publish, checked=True)


def _store(shop: str, files: PackFiles, note: str, *, publish: bool, checked: bool = False) -> None:
    with opened_parts() as parts:
        version = import_content(parts, shop=shop, files=files, note=note, author=AUTHOR)
        click.echo(f"{version.quiz}: version {version.number} of shop {shop}.")
        if publish:
            moved = publish_content(
                parts, shop=shop, quiz=version.quiz, number=version.number, author=AUTHOR, checked=checked
            )
            click.echo("It is live now." if moved else "It was live already.")


def _import_sheet(pack: Path | None, shop: str, quiz: str, sheet: Path, *, publish: bool, yes: bool) -> None:
    """Show what a sheet changes; then, if that is wanted, change the folder, or make a new version."""
    files = read_or_refuse(pack).files if pack else _exported(shop, quiz, None)
    fresh, told = with_sheet(files, sound_pack(pack or Path(quiz), read_files(files, [])), sheet)
    preview(told)
    if not told.changes and not told.moved:
        return
    if not yes and not (sys.stdin.isatty() and click.confirm("Take these rows over?")):
        click.echo("Nothing was changed. Repeat with --yes to take the rows over.")
        return
    if pack:
        write_folder(pack, {"mappings.csv": fresh["mappings.csv"]})
        click.echo(f"{pack / 'mappings.csv'} was written.")
    else:
        _store(shop, fresh, f"mappings from {sheet.name}", publish=publish)


@content.command("publish")
@click.argument("number", type=int)
@click.option("--shop", default="demo", show_default=True)
@click.option("--quiz", default="leg-day", show_default=True)
def publish_command(number: int, shop: str, quiz: str) -> None:
    """Make version NUMBER the live one; an older one is the way back."""
    with opened_parts() as parts:
        moved = publish_content(parts, shop=shop, quiz=quiz, number=number, author=AUTHOR)
    click.echo(f"{quiz}: version {number} is live now." if moved else f"{quiz}: version {number} was live already.")


@content.command("export")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--shop", default="demo", show_default=True)
@click.option("--quiz", default="leg-day", show_default=True)
@click.option("--version", "number", type=int, default=None, help="A version; the live one by default.")
@click.option(
    "--mappings", type=click.Path(path_type=Path, dir_okay=False), help="Only the mappings, as .csv or .xlsx."
)
def export_command(folder: Path | None, shop: str, quiz: str, number: int | None, mappings: Path | None) -> None:
    """Write a content version as a pack FOLDER.

    With --mappings FILE, only its mappings as a spreadsheet: of the pack in FOLDER, or without one of the version.
    """
    if mappings is not None:
        reading = read_or_refuse(folder) if folder else read_files(_exported(shop, quiz, number), [])
        write_mappings(sound_pack(folder or Path(quiz), reading), mappings)
        return
    if folder is None:
        raise click.UsageError("give a folder to write to, or --mappings FILE")
    files = _exported(shop, quiz, number)
    write_folder(folder, files)
    click.echo(f"{len(files)} files written to {folder}.")


def _exported(shop: str, quiz: str, number: int | None) -> PackFiles:
    with opened_parts() as parts:
        return export_content(parts, shop=shop, quiz=quiz, number=number)


@content.command("format")
@click.argument("pack", type=click.Path(path_type=Path))
@click.option("--check", "check_only", is_flag=True, help="Change nothing; exit 1 when something would change.")
def format_command(pack: Path, check_only: bool) -> None:
    """Write the conditions and targets of a PACK in their plain form. All else stays as it is."""
    changed = formatted_files(read_or_refuse(pack).files)
    for name in changed:
        click.echo(f"{pack / name}{' would change' if check_only else ''}")
    if check_only and changed:
        raise SystemExit(1)
    write_folder(pack, changed)
    click.echo(f"{len(changed)} files {'to format' if check_only else 'formatted'}.")


@content.command("accept")
@click.argument("pack", type=click.Path(path_type=Path))
@click.option("--key", required=True, help="The text, as the finding names it.")
@click.option("--rule", required=True, help="The rule, as the finding names it.")
@click.option("--locale", default=None, help="The language of the text; the pack's own by default.")
@click.option("--by", required=True, help="The name of the person who accepts it.")
@click.option("--reason", required=True, help="Why it may be said.")
def accept_command(pack: Path, key: str, rule: str, locale: str | None, by: str, reason: str) -> None:
    """Accept a warning of the claims lint in a PACK. Errors cannot be accepted; another wording needs another look."""
    checked = sound_pack(pack, read_or_refuse(pack))
    try:
        accepted = accept_claim(checked, key=key, rule=rule, locale=locale, by=by, reason=reason, on=today())
    except CannotAccept as error:
        raise click.UsageError(str(error)) from error
    files = canonical_files(replace(checked, accepted=accepted), {})
    write_folder(pack, {"claims.yaml": files["claims.yaml"]})
    click.echo(f"Kept in {pack / 'claims.yaml'}.")
