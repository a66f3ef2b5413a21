"""The entry point of web worker processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from widget.imports import quick_imports

if TYPE_CHECKING:
    from widget.web.server import Server


def server() -> Server:
    """Build the server of one web worker process, with settings from the environment and its own services."""
    with quick_imports():
        from widget.app import server as build

        return build()
