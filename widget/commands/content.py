"""The command group ``recovery-quiz content``."""

from __future__ import annotations

import click

from widget.commands.lazy import LazyGroup

COMMANDS = {
    "check": ("widget.commands.packs", "check", "List every problem of a pack, with file and line."),
    "coverage": ("widget.commands.impact", "coverage", "Check the outcome of every answer path."),
    "compare": (
        "widget.commands.impact",
        "compare_command",
        "Compare two versions on answer paths and real responses.",
    ),
    "import": (
        "widget.commands.versions",
        "import_command",
        "Import a pack or a sheet as a new content version.",
    ),
    "publish": ("widget.commands.versions", "publish_command", "Publish a version, or roll back to one."),
    "export": (
        "widget.commands.versions",
        "export_command",
        "Export a content version as files, or its mappings as a sheet.",
    ),
    "format": ("widget.commands.packs", "format_command", "Format conditions and targets."),
    "accept": ("widget.commands.packs", "accept_command", "Accept a claims lint warning, with name and reason."),
}


@click.group(cls=LazyGroup, places=COMMANDS)
def content() -> None:
    """Check, compare, import, and export content packs."""
