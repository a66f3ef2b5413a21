"""The commands ``recovery-quiz content coverage`` and ``recovery-quiz content compare``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from widget.commands.reading import read_or_refuse, sound_pack
from widget.commands.reports import as_json, print_comparison, print_coverage, progress_bar
from widget.domain.engine.live import Engine
from widget.path_coverage.check import check_paths
from widget.path_coverage.compare import compare
from widget.path_coverage.run import Answers

if TYPE_CHECKING:
    from widget.services import Services


@click.command()
@click.argument("pack", type=click.Path(path_type=Path))
@click.option("--json", "json_wanted", is_flag=True, help="Print the report as JSON.")
def coverage(pack: Path, json_wanted: bool) -> None:
    """Check every answer path of a PACK folder. Exits with 1 if a finding is an error."""
    reading = read_or_refuse(pack)
    checked = sound_pack(pack, reading)
    with progress_bar("Checking answer paths") as bar:
        outcome = check_paths(checked, progress=bar)
    if json_wanted:
        as_json(outcome.data())
    else:
        print_coverage(pack, outcome, reading.line)
    if outcome.failed:
        raise SystemExit(1)


@click.command("compare")
@click.argument("before")
@click.argument("after")
@click.option(
    "--responses",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File with answers, one JSON object per line.",
)
@click.option("--shop", default=None, help="Shop whose versions and responses are compared.")
@click.option("--quiz", default="leg-day", show_default=True, help="Quiz whose versions are compared.")
@click.option(
    "--days", default=30, show_default=True, type=click.IntRange(1, 366), help="Number of days of responses to compare."
)
@click.option("--json", "json_wanted", is_flag=True, help="Print the report as JSON.")
def compare_command(
    before: str, after: str, responses: Path | None, shop: str | None, quiz: str, days: int, json_wanted: bool
) -> None:
    """Show what changes from BEFORE to AFTER. Each is a pack folder, a version number, or "live".

    With --responses FILE (in the format of recommend --answers-file) or --shop, also compare the results of shoppers'
    actual responses.
    """
    if responses and shop:
        raise click.UsageError("Use either --responses or --shop, not both.")
    with ExitStack() as stack:
        numbered = [name for name in (before, after) if _is_version(name)]
        services = stack.enter_context(_opened()) if shop or numbered else None
        engines = [_engine(services, shop or "demo", quiz, name) for name in (before, after)]
        real = list(_lines(responses)) if responses else None
        if shop and services:
            from widget.actions.content.load_version import load_responses

            real = load_responses(services, shop=shop, quiz=engines[1].rules.pack.id, days=days)
    with progress_bar("Comparing answer paths") as bar:
        comparison = compare(engines[0], engines[1], real, progress=bar)
    if json_wanted:
        as_json(comparison.data())
    else:
        print_comparison(comparison)


def _opened() -> AbstractContextManager[Services]:
    from widget.commands.opening import (
        opened_services,  # Imported here: it loads the database code, which comparing folders does not need.
    )

    return opened_services()


def _is_version(name: str) -> bool:
    return name == "live" or name.isdigit()


def _engine(services: Services | None, shop: str, quiz: str, name: str) -> Engine:
    if services and _is_version(name):
        from widget.actions.content.load_version import load_version

        return load_version(services, shop=shop, quiz=quiz, number=None if name == "live" else int(name))
    folder = Path(name)
    return Engine.of(sound_pack(folder, read_or_refuse(folder)))


def _lines(path: Path) -> Iterator[Answers]:
    """Yield answers, one JSON object per line; an object may also have them under "answers", as exports do."""
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        if not line.strip():
            continue
        try:
            data = orjson.loads(line)
            answers = data.get("answers", data)
            sound = isinstance(answers, dict) and all(
                isinstance(answer, list) and all(isinstance(option, str) for option in answer)
                for answer in answers.values()
            )
        except (orjson.JSONDecodeError, AttributeError):
            sound = False
        if not sound:
            raise click.UsageError(
                f"{path}, line {number}: expected a JSON object that maps question ids to lists of option ids."
            )
        yield answers
