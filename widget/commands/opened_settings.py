"""Settings for commands, with a helpful error message instead of a traceback."""

from __future__ import annotations

import click

from widget.settings import LOCAL, Settings, SettingsError, read_settings


def opened_settings(*, default_env: str = LOCAL) -> Settings:
    """Read the settings. Public servers pass PRODUCTION, so that they never run in local mode by accident."""
    try:
        return read_settings(default_env=default_env)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
