"""The ``recovery-quiz`` command line. The module of a command is imported when the command is used."""

from __future__ import annotations

import click

from widget.commands.lazy import LazyGroup

COMMANDS = {
    "run": ("widget.commands.serve", "run", "Start everything on this machine."),
    "web": ("widget.commands.serve", "web", "Start the web server."),
    "worker": ("widget.commands.serve", "worker", "Start a Celery worker."),
    "beat": ("widget.commands.serve", "beat", "Start Celery beat."),
    "db": ("widget.commands.database", "db", "Create or migrate the database."),
    "backup": ("widget.commands.backups", "backup", "Write the database and the keys to a file."),
    "restore": ("widget.commands.backups", "restore", "Read the database back from a backup."),
    "content": ("widget.commands.content", "content", "Check, import, and export content packs."),
    "recommend": (
        "widget.commands.recommend",
        "recommend",
        "Show the result for a set of answers, from pack files.",
    ),
    "emails": ("widget.commands.emails", "emails", "List, inspect, simulate, and resend emails."),
    "shop": ("widget.commands.shop", "shop", "Add and inspect shops; block products."),
    "user": ("widget.commands.user", "user", "Manage console users."),
    "demo": ("widget.demo.command", "demo", "Load sample traffic into the demo store."),
    "settings": ("widget.commands.show_settings", "settings", "Show all settings with their meaning and source."),
}


@click.group(cls=LazyGroup, places=COMMANDS)
@click.version_option(package_name="recovery-quiz")
def main() -> None:
    """Recovery Quiz: an embedded quiz, product recommendations, and follow-up emails."""
