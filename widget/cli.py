"""recovery-quiz: the table of contents of all commands. Each module is loaded when its command is used."""

from __future__ import annotations

import click

from widget.commands.lazy import LazyGroup

COMMANDS = {
    "run": ("widget.commands.serve", "run", "Start everything on this machine."),
    "web": ("widget.commands.serve", "web", "Start the web server alone."),
    "worker": ("widget.commands.serve", "worker", "Start a Celery worker alone."),
    "beat": ("widget.commands.serve", "beat", "Start the Celery clock alone."),
    "db": ("widget.commands.database", "db", "Bring the database up to date."),
    "content": ("widget.commands.content", "content", "Check, import and export content packs."),
    "recommend": (
        "widget.commands.recommend",
        "recommend",
        "The result of answers, straight from a pack's files.",
    ),
    "emails": ("widget.commands.emails", "emails", "Look at emails, and send one again."),
    "shop": ("widget.commands.shop", "shop", "Add shops, show their addresses, block products."),
    "user": ("widget.commands.user", "user", "Let people into the console."),
    "demo": ("widget.commands.demo", "demo", "Sample traffic for the demo store."),
    "settings": ("widget.commands.show_settings", "settings", "All settings, with meaning and source."),
}


@click.group(cls=LazyGroup, places=COMMANDS)
@click.version_option(package_name="recovery-quiz")
def main() -> None:
    """Recovery Quiz: a quiz for a store's pages, its results, and the emails that follow."""
