"""Upgrades of a database to the newest schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text

from widget.storage.tables import Table

_HERE = Path(__file__).resolve().parent / "migrations"
_LOCK = 7_240_912


def upgrade(engine: Engine) -> None:
    """Run the pending migrations. On PostgreSQL, one process runs at a time and waits only briefly for table locks."""
    _migrate(engine, lambda config: command.upgrade(config, "head"))


def downgrade(engine: Engine, revision: str) -> None:
    """Undo the migrations after this revision."""
    _migrate(engine, lambda config: command.downgrade(config, revision))


def _migrate(engine: Engine, run: Callable[[Config], None]) -> None:
    config = _config()
    with _without_foreign_keys(engine) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            connection.execute(text("SET LOCAL lock_timeout = '10s'"))
        config.attributes["connection"] = connection
        run(config)


@contextmanager
def _without_foreign_keys(engine: Engine) -> Iterator[Connection]:
    """Disable foreign keys on SQLite, where altering a table recreates it. They are checked afterwards."""
    with engine.connect() as connection:
        if engine.dialect.name != "sqlite":
            yield connection
            return
        raw = connection.connection.driver_connection
        assert raw is not None
        raw.execute("PRAGMA foreign_keys=OFF")
        try:
            yield connection
            broken = raw.execute("PRAGMA foreign_key_check").fetchall()
            if broken:
                raise RuntimeError(
                    f"the migration left {len(broken)} rows with broken references, the first in {broken[0][0]}"
                )
        finally:
            raw.execute("PRAGMA foreign_keys=ON")


def revision_of(engine: Engine) -> str:
    """Return the revision of the database's schema; empty before the first migration."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() or ""


def revisions() -> set[str]:
    """Return all revisions that this version knows."""
    return set(_known_revisions())


def schema_is_behind(connection: Connection) -> bool:
    """Return whether migrations of this version are missing. A newer schema is compatible with this version."""
    known = _known_revisions()
    if not inspect(connection).has_table("alembic_version"):
        return True
    current = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return current != known[0] and current in known


@cache
def _known_revisions() -> tuple[str, ...]:
    """Return the revisions of this version, newest first."""
    return tuple(script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    return config


def drift(engine: Engine) -> list[object]:
    """Return the differences between the tables in code and the migrated database."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Table.metadata))
