"""Reading of pack folders for commands."""

from __future__ import annotations

from pathlib import Path

import click

from widget.commands.reports import print_problems
from widget.content.files import NoPack
from widget.content.reader import read_pack
from widget.content.reading import Reading
from widget.domain.content.pack import Pack


def read_or_refuse(folder: Path) -> Reading:
    """Read a pack folder. Raises click.UsageError if there is no such folder."""
    try:
        return read_pack(folder)
    except NoPack as error:
        raise click.UsageError(str(error)) from error


def sound_pack(folder: Path, reading: Reading) -> Pack:
    """Return the pack. If it has errors, print its problems and exit with 1."""
    if reading.pack is None:
        print_problems(folder, reading)
        raise SystemExit(1)
    return reading.pack
