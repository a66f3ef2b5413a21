"""The command group ``recovery-quiz content``."""

from __future__ import annotations

import click

from widget.commands.lazy import LazyGroup

COMMANDS = {
    "check": ("widget.commands.packs", "check", "Every problem of a pack, with file and line."),
    "coverage": ("widget.commands.impact", "coverage", "What every answer path comes to."),
    "compare": ("widget.commands.impact", "compare_command", "What an edit changes, on paths and on real responses."),
    "import": (
        "widget.commands.versions",
        "import_command",
        "A new content version, from a pack or a sheet.",
    ),
    "publish": ("widget.commands.versions", "publish_command", "Make a version the live one."),
    "export": ("widget.commands.versions", "export_command", "A content version as files, or its mappings as a sheet."),
    "format": ("widget.commands.packs", "format_command", "Conditions and targets in their plain form."),
    "accept": ("widget.commands.packs", "accept_command", "Accept a warning of the claims lint, by name and reason."),
}


@click.group(cls=LazyGroup, places=COMMANDS)
def content() -> None:
    """Check, compare, import, and export content packs."""
