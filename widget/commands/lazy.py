"""Command groups that import a module only when its command is used: checking a pack needs no database driver."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import click

from widget.imports import quick_imports

Place = tuple[str, str, str]
"""(module, attribute, one-line help)"""


class LazyGroup(click.Group):
    """A command group. ``places``: the location of each command by name."""

    def __init__(self, *args: Any, places: dict[str, Place], **more: Any) -> None:
        super().__init__(*args, **more)
        self._places = places

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._places)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self._places:
            return None
        module, attribute, _ = self._places[name]
        with quick_imports():
            command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, _, text) in self._places.items()])
