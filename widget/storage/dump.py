"""Write the whole database to a file and read it back: SQLite by its backup API, PostgreSQL by its own tools."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine, inspect, make_url

from widget.storage.database import POOLER

DUMP = "database"
_WITHOUT_OWNERS = ("--no-owner", "--no-privileges")


class DumpError(Exception):
    """The database could not be written to a file, or a file not read back; the message says what to do."""


def dump_database(database: Engine, path: Path) -> None:
    """Write a consistent copy of the database while it is in use. Raises DumpError."""
    if database.dialect.name == "sqlite":
        with closing(sqlite3.connect(_file(database))) as source, closing(sqlite3.connect(path)) as target:
            source.backup(target)
            _check(target)
        return
    _run("pg_dump", database, "--format=custom", *_WITHOUT_OWNERS, f"--file={path}")


def load_database(database: Engine, path: Path) -> None:
    """Replace the database by the copy, as a whole or not at all. Raises DumpError."""
    database.dispose()
    if database.dialect.name == "sqlite":
        with closing(sqlite3.connect(path)) as source:
            _check(source)
            with closing(sqlite3.connect(_file(database))) as target:
                source.backup(target)
        return
    _run("pg_restore", database, "--clean", "--if-exists", "--single-transaction", *_WITHOUT_OWNERS, str(path))


def is_empty(database: Engine) -> bool:
    """Return whether the database has no tables."""
    return not inspect(database).get_table_names()


def _file(database: Engine) -> str:
    return str(database.url.database)


def _check(connection: sqlite3.Connection) -> None:
    try:
        found = connection.execute("PRAGMA integrity_check").fetchone()
    except sqlite3.DatabaseError as error:
        raise DumpError(f"The copy of the database is damaged ({error}).") from error
    if found != ("ok",):
        raise DumpError(f"The copy of the database is damaged: {found[0]}.")


def _run(tool: str, database: Engine, *options: str) -> None:
    """Run one of PostgreSQL's tools. The password is passed in the environment, where other users cannot see it."""
    program = shutil.which(tool)
    if program is None:
        raise DumpError(f"{tool} is missing. Install PostgreSQL's client programs (Debian: postgresql-client).")
    url = make_url(database.url)
    environment = {**os.environ, "PGPASSWORD": url.password} if url.password else dict(os.environ)
    address = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    if database.get_execution_options().get(POOLER):
        raise DumpError("Backups need a direct connection: set DATABASE_URL to PostgreSQL itself, without the pooler.")
    command = [program, f"--dbname={address}", *options]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # Our own.
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise DumpError(f"{tool} failed: {lines[-1] if lines else f'exit code {done.returncode}'}")
