"""Services for commands, with helpful error messages instead of tracebacks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import click
from sqlalchemy.exc import OperationalError

from widget.actions.errors import ActionError
from widget.commands.opened_settings import opened_settings
from widget.private_files import private_folder
from widget.services import Services, build_services
from widget.storage.migrate import upgrade
from widget.telemetry import start_logs

WRONG_USE = 2


@contextmanager
def opened_services(*, migrate: bool = True) -> Iterator[Services]:
    """Build the services, migrate the database in local mode, and close the services at the end."""
    settings = opened_settings()
    start_logs("warning")
    private_folder(settings.home)
    services = build_services(settings)
    try:
        if migrate and settings.local:
            upgrade(services.database)
        yield services
    except ActionError as error:
        raise click.UsageError(str(error)) from error
    except OperationalError as error:
        raise click.ClickException(
            "The database at RECOVERY_DATABASE_URL does not respond. Make sure that it is running."
        ) from error
    finally:
        services.close()
