"""The commands ``recovery-quiz content import``, ``publish``, and ``export``, for content versions of a shop."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from widget.actions.content.check_content import check_content
from widget.actions.content.export_content import export_content
from widget.actions.content.import_content import import_content
from widget.actions.content.publish_content import publish_content
from widget.commands.opening import opened_services
from widget.commands.packs import today
from widget.commands.reading import read_or_refuse, sound_pack
from widget.commands.reports import print_problems
from widget.commands.sheets import preview, with_sheet, write_mappings
from widget.content.files import PackFiles, write_folder
from widget.content.reader import read_files

AUTHOR = "command line"


@click.command("import")
@click.argument("pack", type=click.Path(path_type=Path), required=False)
@click.option("--shop", default="demo", show_default=True, help="Target shop.")
@click.option("--quiz", default="leg-day", show_default=True, help="Quiz id, if no PACK is given.")
@click.option("--publish/--no-publish", default=False, help="Publish the version immediately.")
@click.option("--note", default="", help="Change note for the version history.")
@click.option("--mappings", type=click.Path(path_type=Path, exists=True, dir_okay=False), help="A .csv or .xlsx file.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
def import_command(
    pack: Path | None, shop: str, quiz: str, publish: bool, note: str, mappings: Path | None, yes: bool
) -> None:
    """Import a PACK folder as a new content version of a shop. A pack with errors is not imported.

    With --mappings FILE, the rows of a spreadsheet replace the mappings of the PACK folder or, without PACK, those of
    the shop's live version. The changes are shown first.
    """
    if mappings is not None:
        _import_sheet(pack, shop, quiz, mappings, publish=publish, yes=yes)
        return
    if pack is None:
        raise click.UsageError("Provide a PACK folder or --mappings FILE.")
    reading = read_or_refuse(pack)
    check_content(reading, today=today())
    if reading.errors:
        print_problems(pack, reading)
        raise SystemExit(1)
    _store(shop, reading.files, note, publish=publish, checked=True)


def _store(shop: str, files: PackFiles, note: str, *, publish: bool, checked: bool = False) -> None:
    with opened_services() as services:
        version = import_content(services, shop=shop, files=files, note=note, author=AUTHOR)
        click.echo(f"{version.quiz}: imported version {version.number} for shop {shop}.")
        if publish:
            moved = publish_content(
                services, shop=shop, quiz=version.quiz, number=version.number, author=AUTHOR, checked=checked
            )
            click.echo("It is now live." if moved else "It was already live.")


def _import_sheet(pack: Path | None, shop: str, quiz: str, sheet: Path, *, publish: bool, yes: bool) -> None:
    """Show the changes of a sheet; after confirmation, write them to the folder or store a new version."""
    files = read_or_refuse(pack).files if pack else _exported(shop, quiz, None)
    fresh, outcome = with_sheet(files, sound_pack(pack or Path(quiz), read_files(files, [])), sheet)
    preview(outcome)
    if not outcome.changes and not outcome.moved:
        return
    if not yes and not (sys.stdin.isatty() and click.confirm("Apply these changes?")):
        click.echo("Nothing was changed. Run with --yes to apply the changes.")
        return
    if pack:
        write_folder(pack, {"mappings.csv": fresh["mappings.csv"]})
        click.echo(f"Saved to {pack / 'mappings.csv'}.")
    else:
        _store(shop, fresh, f"mappings from {sheet.name}", publish=publish)


@click.command("publish")
@click.argument("number", type=int)
@click.option("--shop", default="demo", show_default=True)
@click.option("--quiz", default="leg-day", show_default=True)
def publish_command(number: int, shop: str, quiz: str) -> None:
    """Make version NUMBER live. To roll back, publish an older version."""
    with opened_services() as services:
        moved = publish_content(services, shop=shop, quiz=quiz, number=number, author=AUTHOR)
    click.echo(f"{quiz}: version {number} is now live." if moved else f"{quiz}: version {number} was already live.")


@click.command("export")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--shop", default="demo", show_default=True)
@click.option("--quiz", default="leg-day", show_default=True)
@click.option("--version", "number", type=int, default=None, help="Version number (default: the live version).")
@click.option(
    "--mappings", type=click.Path(path_type=Path, dir_okay=False), help="Export only the mappings, as .csv or .xlsx."
)
def export_command(folder: Path | None, shop: str, quiz: str, number: int | None, mappings: Path | None) -> None:
    """Write a content version to FOLDER as a content pack.

    With --mappings FILE, write only mappings, as a spreadsheet: those of the pack in FOLDER or, without FOLDER, of the
    version.
    """
    if mappings is not None:
        reading = read_or_refuse(folder) if folder else read_files(_exported(shop, quiz, number), [])
        write_mappings(sound_pack(folder or Path(quiz), reading), mappings)
        return
    if folder is None:
        raise click.UsageError("Provide a FOLDER to write to or --mappings FILE.")
    files = _exported(shop, quiz, number)
    write_folder(folder, files)
    click.echo(f"{len(files)} files written to {folder}.")


def _exported(shop: str, quiz: str, number: int | None) -> PackFiles:
    with opened_services() as services:
        return export_content(services, shop=shop, quiz=quiz, number=number)
