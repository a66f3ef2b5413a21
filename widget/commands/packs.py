"""The commands ``recovery-quiz content check``, ``format``, and ``accept``, which need only the files of a pack."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from widget.actions.content.check_content import check_content
from widget.commands.reading import read_or_refuse, sound_pack
from widget.commands.reports import as_json, print_problems, progress_bar
from widget.content.claim_check import CannotAccept, accept_claim
from widget.content.files import write_folder
from widget.content.formatting import formatted_files
from widget.content.writer import canonical_files


class Days(click.ParamType[timedelta]):
    """A number of days, such as 60d or 60."""

    name = "days"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        text = str(value).removesuffix("d")
        if not text.isdigit() or int(text) > 3660:
            self.fail(f"{value!r} is not a number of days such as 60d", param, ctx)
        return timedelta(days=int(text))


def today() -> date:
    return datetime.now(UTC).date()


@click.command()
@click.argument("pack", type=click.Path(path_type=Path))
@click.option(
    "--soon",
    type=Days(),
    default=None,
    help="Also report reviews and certificates due within this period, such as 60d.",
)
@click.option("--json", "json_wanted", is_flag=True, help="Print problems as JSON.")
def check(pack: Path, soon: timedelta | None, json_wanted: bool) -> None:
    """List all problems of a PACK folder, with file, line, and nearest valid name. Exits with 1 if one is an error."""
    reading = read_or_refuse(pack)
    with progress_bar("Checking answer paths") as bar:
        check_content(reading, today=today(), soon=soon, progress=bar)
    if json_wanted:
        as_json({"problems": [problem.data() for problem in reading.problems]})
    else:
        print_problems(pack, reading)
    if reading.errors:
        raise SystemExit(1)


@click.command("format")
@click.argument("pack", type=click.Path(path_type=Path))
@click.option("--check", "check_only", is_flag=True, help="Only check; exit with 1 if something would change.")
def format_command(pack: Path, check_only: bool) -> None:
    """Format the conditions and targets of a PACK folder. Everything else stays unchanged."""
    changed = formatted_files(read_or_refuse(pack).files)
    for name in changed:
        click.echo(f"{pack / name}{' would change' if check_only else ''}")
    if check_only and changed:
        raise SystemExit(1)
    write_folder(pack, changed)
    click.echo(f"{len(changed)} files {'to format' if check_only else 'formatted'}.")


@click.command("accept")
@click.argument("pack", type=click.Path(path_type=Path))
@click.option("--key", required=True, help="Text, as named in the finding.")
@click.option("--rule", required=True, help="Rule, as named in the finding.")
@click.option("--locale", default=None, help="Locale of the text (default: the pack's default locale).")
@click.option("--by", required=True, help="Name of the person who accepts it.")
@click.option("--reason", required=True, help="Reason why the claim is acceptable.")
def accept_command(pack: Path, key: str, rule: str, locale: str | None, by: str, reason: str) -> None:
    """Accept a warning of the claims lint in a PACK folder.

    Errors cannot be accepted. An acceptance lapses if the text changes.
    """
    checked = sound_pack(pack, read_or_refuse(pack))
    try:
        accepted = accept_claim(checked, key=key, rule=rule, locale=locale, by=by, reason=reason, on=today())
    except CannotAccept as error:
        raise click.UsageError(str(error)) from error
    files = canonical_files(replace(checked, accepted=accepted), {})
    write_folder(pack, {"claims.yaml": files["claims.yaml"]})
    click.echo(f"Saved to {pack / 'claims.yaml'}.")
