"""Settings, services, shops, and clients for tests."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import structlog
import structlog.testing

from tests.support.packs import leg_day_files, publish_files
from widget.actions.shops.add_shop import add_shop
from widget.app import create_wsgi
from widget.email.transport import MemoryTransport
from widget.services import Services, build_services
from widget.settings import Settings, read_settings
from widget.storage.migrate import upgrade


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


def client_of(services: Services) -> Any:
    from werkzeug.test import Client
    from werkzeug.wrappers import Response

    class JsonResponse(Response):
        pass

    return Client(create_wsgi(services), JsonResponse)
