"""The command group ``recovery-quiz db``."""

from __future__ import annotations

import click

from widget.commands.opening import opened_services
from widget.storage.migrate import upgrade


@click.group()
def db() -> None:
    """Create or migrate the database."""


@db.command("upgrade")
def upgrade_command() -> None:
    """Run pending migrations. Do this once, before starting servers."""
    with opened_services(migrate=False) as services:
        upgrade(services.database)
    click.echo("The database is up to date.")
