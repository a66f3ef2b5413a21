"""The command ``recovery-quiz settings``."""

from __future__ import annotations

import os

import click
import orjson

from widget.commands.opened_settings import opened_settings
from widget.settings import PRODUCTION, SettingsError, described, read_settings


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.option("--check", is_flag=True, help="Only validate: list all problems; exit with 1 if there are any.")
def settings(as_json: bool, check: bool) -> None:
    """Show all settings with their meaning and source. Secrets are masked."""
    if check:
        _check()
        return
    rows = described(opened_settings(), os.environ)
    if as_json:
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    for row in rows:
        click.echo(
            f"{row['name']} = {row['value']}  ({row['source']})\n    {row['meaning']}; default: {row['default']}"
        )


def _check() -> None:
    """Check the settings as a server does at startup."""
    try:
        found = read_settings(default_env=PRODUCTION)
    except SettingsError as error:
        for problem in str(error).split("\n"):
            click.echo(f"✗ {problem}", err=True)
        raise SystemExit(1) from error
    click.echo(f"All settings are valid ({found.env} mode).")
