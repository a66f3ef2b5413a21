"""recovery-quiz content …"""

from __future__ import annotations

from pathlib import Path

import click
import orjson

from widget.actions.check_letters import letter_problems
from widget.actions.export_content import export_content
from widget.actions.import_content import import_content
from widget.actions.publish_content import publish_content
from widget.commands.opening import opened_parts
from widget.content.files import NoPack, write_folder
from widget.content.reader import Located, Reading, read_pack
from widget.domain.engine.highest import highest_score
from widget.domain.engine.rules import Rules
from widget.domain.pack import Pack
from widget.domain.problem import ERROR, WARNING, Problem

_MARKS = {"error": ("✗", "red"), "warning": ("!", "yellow"), "info": ("·", "blue")}


@click.group()
def content() -> None:
    """Check, import and export content packs."""


def read_or_refuse(folder: Path) -> Reading:
    """The pack of a folder with its problems; wrong use when there is no such folder."""
    try:
        return read_pack(folder)
    except NoPack as error:
        raise click.UsageError(str(error)) from error


@content.command()
@click.argument("pack", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Problems as JSON.")
def check(pack: Path, as_json: bool) -> None:
    """All problems of a PACK folder, with file, line and the nearest valid name. Exit 1 when one is an error."""
    reading = read_or_refuse(pack)
    if reading.pack:
        reading.problems += estimated_matches(reading.pack)
        reading.problems += [Located(each, str(each.place[0]), 1) for each in letter_problems(reading.pack)]
    if as_json:
        data = {"problems": [each.data() for each in reading.problems]}
        click.echo(orjson.dumps(data, option=orjson.OPT_INDENT_2).decode())
    else:
        _print(pack, reading)
    if reading.errors:
        raise SystemExit(1)


def estimated_matches(pack: Pack) -> list[Located]:
    """Products whose highest score, and so their match in percent, could only be estimated."""
    rules = Rules(pack)
    texts = [each.sku for each in rules.products if not highest_score(rules, each.sku)[1]]
    message = "the match of '{}' is an estimate: too many rows look at too many questions at once"
    return [
        Located(Problem(WARNING, ("mappings.csv",), "match_estimated", message.format(sku)), "mappings.csv", 1)
        for sku in texts
    ]


def _print(pack: Path, reading: Reading) -> None:
    for each in reading.problems:
        _print_problem(pack, each)
    errors = len(reading.errors)
    findings = len(reading.problems) - errors
    if errors:
        click.secho(f"Errors: {errors}, findings: {findings}. Errors stop this pack from being published.", fg="red")
    else:
        click.secho(f"No errors, {findings} findings. This pack can be published.", fg="green")


def _print_problem(pack: Path, each: Located) -> None:
    mark, colour = _MARKS[each.problem.severity]
    where = click.style(f"{pack / each.file}:{each.line}", bold=True)
    click.echo(f"{click.style(mark, fg=colour)} {where}  {each.problem.message}")


@content.command("import")
@click.argument("pack", type=click.Path(path_type=Path))
@click.option("--shop", default="demo", show_default=True, help="The shop that gets it.")
@click.option("--publish/--no-publish", default=False, help="Make it the live version at once.")
@click.option("--note", default="", help="What changed, for the history.")
def import_command(pack: Path, shop: str, publish: bool, note: str) -> None:
    """Import a PACK folder as a new content version of a shop. With errors, nothing is stored."""
    reading = read_or_refuse(pack)
    if reading.pack:
        reading.problems += [Located(each, str(each.place[0]), 1) for each in letter_problems(reading.pack)]
    if any(each.problem.severity == ERROR for each in reading.problems):
        _print(pack, reading)
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
