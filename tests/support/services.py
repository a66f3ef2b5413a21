"""Settings, services, shops, and clients for tests."""

from __future__ import annotations

import dataclasses
import socket
from pathlib import Path
from typing import Any

import structlog
import structlog.testing
from flask import Flask
from werkzeug.test import Client
from werkzeug.wrappers import Response

from tests.support.packs import leg_day_files, publish_files
from widget.actions.shops.add_shop import add_shop
from widget.app import create_app, create_wsgi
from widget.email.transport import MemoryTransport
from widget.services import Services, build_services
from widget.settings import Settings, read_settings
from widget.storage.migrate import upgrade
from widget.web.limits import limiter


def plain_logs() -> None:
    """Configure readable log lines.

    structlog's default prints every local variable of a traceback, which takes half a minute if a pack is among them.
    """
    structlog.reset_defaults()
    renderer = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[structlog.processors.add_log_level, renderer])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def demo_shop(folder: Path, url: str) -> None:
    """Create the tables, the demo shop, and the shipped pack in a fresh database."""
    settings = settings_for(folder, url)
    settings.home.mkdir(parents=True, exist_ok=True)
    services = build_services(settings, transport=MemoryTransport())
    upgrade(services.database)
    add_shop(services, "demo", name="Stride & Salve", postal_address="12 Example Lane", cart={"kind": "event"})
    publish_files(services, leg_day_files())
    services.close()


def settings_for(tmp_path: Path, database_url: str, redis_url: str = "") -> Settings:
    environment = {
        "RECOVERY_ENV": "local",
        "RECOVERY_HOME": str(tmp_path / "home"),
        "RECOVERY_DATABASE_URL": database_url,
        "RECOVERY_REDIS_URL": redis_url,
        "RECOVERY_SECRET_KEYS": "test-key-one-0123456789-abcdefghij",
        "RECOVERY_SUPPRESSION_KEY": "test-suppression-0123456789-abcdef",
        "RECOVERY_PUBLIC_URL": "http://quiz.localhost",
    }
    return read_settings(environment)


class JsonResponse(Response):
    """A response of a test client."""


class _Apps:
    """Applications that later tests use again: building one takes a sixth of a second, most of it for the routes."""

    def __init__(self) -> None:
        self._idle: dict[Settings, list[Flask]] = {}
        self._used: list[tuple[Services, Settings, Flask]] = []
        self._newest: Settings | None = None

    def app_for(self, services: Services) -> Flask:
        """Return an application for these services that no open services use."""
        if not limiter.enabled:
            self._newest = None  # A test has turned it off: the next application sets it up anew.
            return create_app(services)
        like = dataclasses.replace(services.settings, home=Path(), database_url="")
        idle = self._idle.get(like)
        # The limiter is shared by all applications and set up by the newest one.
        if idle and like == self._newest:
            app = idle.pop()
            app.extensions["services"] = services
            limiter.reset()
        else:
            app, self._newest = create_app(services), like
        self._used.append((services, like, app))
        return app

    def keep_from(self, services: Services) -> None:
        """Keep the applications of these services, which are closed now, for others."""
        for used in [used for used in self._used if used[0] is services]:
            self._used.remove(used)
            self._idle.setdefault(used[1], []).append(used[2])


APPS = _Apps()


def client_of(services: Services) -> Any:
    return Client(create_wsgi(services, APPS.app_for(services)), JsonResponse)
