"""recovery-quiz content …"""

from __future__ import annotations

from pathlib import Path

import click

from widget.actions.check_content import check_content
from widget.actions.export_content import export_content
from widget.actions.import_content import import_content
from widget.actions.publish_content import publish_content
from widget.commands.impact import compare_command, coverage
from widget.commands.opening import opened_parts
from widget.commands.reading import read_or_refuse
from widget.commands.reports import as_json, print_problems, progress_bar
from widget.content.files import write_folder


@click.group()
def content() -> None:
    """Check, compare, import and export content packs."""


content.add_command(coverage)
content.add_command(compare_command)


@content.command()
@click.argument("pack", type=click.Path(path_type=Path))
@click.option("--json", "json_wanted", is_flag=True, help="Problems as JSON.")
def check(pack: Path, json_wanted: bool) -> None:
    """All problems of a PACK folder, with file, line and the nearest valid name. Exit 1 when one is an error."""
    reading = read_or_refuse(pack)
    with progress_bar("Going through all answer paths") as bar:
        check_content(reading, progress=bar)
    if json_wanted:
        as_json({"problems": [each.data() for each in reading.problems]})
    else:
        print_problems(pack, reading)
    if reading.errors:
        raise SystemExit(1)


@content.command("import")
@click.argument("pack", type=click.Path(path_type=Path))
@click.option("--shop", default="demo", show_default=True, help="The shop that gets it.")
@click.option("--publish/--no-publish", default=False, help="Make it the live version at once.")
@click.option("--note", default="", help="What changed, for the history.")
def import_command(pack: Path, shop: str, publish: bool, note: str) -> None:
    """Import a PACK folder as a new content version of a shop. With errors, nothing is stored."""
    reading = read_or_refuse(pack)
    check_content(reading)
    if reading.errors:
        print_problems(pack, reading)
        raise SystemExit(1)
    with opened_parts() as parts:
        version = import_content(parts, shop=shop, files=reading.files, note=note, author="command line")
        click.echo(f"{version.quiz}: version {version.number} of shop {shop}.")
        if publish:
            moved = publish_content(parts, shop=shop, quiz=version.quiz, number=version.number, author="command line")
            click.echo("It is live now." if moved else "It was live already.")


@content.command("publish")
@click.argument("number", type=int)
@click.option("--shop", default="demo", show_default=True)
@click.option("--quiz", default="leg-day", show_default=True)
def publish_command(number: int, shop: str, quiz: str) -> None:
    """Make version NUMBER the live one; an older one is the way back."""
    with opened_parts() as parts:
        moved = publish_content(parts, shop=shop, quiz=quiz, number=number, author="command line")
    click.echo(f"{quiz}: version {number} is live now." if moved else f"{quiz}: version {number} was live already.")


@content.command("export")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--shop", default="demo", show_default=True)
@click.option("--quiz", default="leg-day", show_default=True)
@click.option("--version", "number", type=int, default=None, help="A version; the live one by default.")
def export_command(folder: Path, shop: str, quiz: str, number: int | None) -> None:
    """Write a content version as a pack FOLDER."""
    with opened_parts() as parts:
        files = export_content(parts, shop=shop, quiz=quiz, number=number)
    write_folder(folder, files)
    click.echo(f"{len(files)} files written to {folder}.")
