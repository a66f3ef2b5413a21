"""recovery-quiz: the table of contents of all commands. Each module is loaded when its command is used."""

from __future__ import annotations

from importlib import import_module

import click

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
    "letters": ("widget.commands.letters", "letters", "Look at letters, and send one again."),
    "shop": ("widget.commands.shop", "shop", "Add shops, show their addresses, withhold products."),
    "user": ("widget.commands.user", "user", "Let people into the console."),
    "demo": ("widget.commands.demo", "demo", "Sample traffic for the demo store."),
    "settings": ("widget.commands.show_settings", "settings", "All settings, with meaning and source."),
}


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        module, attribute, _ = COMMANDS[name]
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in COMMANDS.items()])


@click.command(cls=_Commands)
@click.version_option(package_name="recovery-quiz")
def main() -> None:
    """Recovery Quiz: a quiz for a store's pages, its results, and the letters that follow."""
