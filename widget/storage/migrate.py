"""Bring a database to the newest schema."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from widget.storage.tables import Table

_HERE = Path(__file__).resolve().parent / "migrations"
_LOCK = 7_240_912


def upgrade(engine: Engine) -> None:
    """Run the migrations that are missing. On PostgreSQL one process at a time, and none waits long for a lock."""
    config = Config()
    config.set_main_option("script_location", str(_HERE))
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_LOCK})"))
            connection.execute(text("SET LOCAL lock_timeout = '10s'"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def drift(engine: Engine) -> list[object]:
    """What the tables in code have that the migrated database has not, or the other way round."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return list(compare_metadata(context, Table.metadata))
