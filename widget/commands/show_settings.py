"""recovery-quiz settings"""

from __future__ import annotations

import os

import click
import orjson

from widget.commands.opening import opened_settings
from widget.settings import described


@click.command()
@click.option("--json", "as_json", is_flag=True)
def settings(as_json: bool) -> None:
    """All settings, with meaning and source. Secrets are masked."""
    rows = described(opened_settings(), os.environ)
    if as_json:
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2).decode())
        return
    for row in rows:
        click.echo(
            f"{row['name']} = {row['value']}  ({row['source']})\n    {row['meaning']}; default: {row['default']}"
        )
