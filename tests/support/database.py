"""Table rows and fresh PostgreSQL databases for tests."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import Engine, NullPool, create_engine, select, text

from widget.services import Services


def rows(services: Services, table: type) -> list[Any]:
    with services.reads() as session:
        return list(session.scalars(select(table)))


def _named(server: str, name: str) -> str:
    head, _, tail = server.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{name}" + (f"?{tail}" if tail else "")


class PostgresCopies:
    """Databases with the newest schema and the demo shop, each used by one test at a time.

    After a test, its rows are replaced by those at the start, which takes a fifth of the time of a new database. A
    database whose schema the test has changed is dropped.
    """

    def __init__(self, server: str, model: str) -> None:
        self._server, self._model = server, model
        self._admin = create_engine(_with_psycopg(server), isolation_level="AUTOCOMMIT", poolclass=NullPool)
        self._idle: list[_Copy] = []

    @contextmanager
    def one(self) -> Iterator[str]:
        """Yield the URL of a database that no other test uses meanwhile."""
        copy = self._idle.pop() if self._idle else self._new()
        yield copy.url
        if copy.restored():
            self._idle.append(copy)
        else:
            self._drop(copy)

    def close(self) -> None:
        for copy in self._idle:
            self._drop(copy)
        self._admin.dispose()

    def _new(self) -> _Copy:
        name = f"rq_{os.getpid()}_{time.monotonic_ns()}"
        with self._admin.connect() as connection:
            connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{self._model}"'))
        return _Copy(name, _named(self._server, name))

    def _drop(self, copy: _Copy) -> None:
        with self._admin.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{copy.name}" WITH (FORCE)'))


class _Copy:
    """A copy of the model database that remembers its rows, in the schema ``at_start``."""

    def __init__(self, name: str, url: str) -> None:
        self.name, self.url = name, url
        with self._connect() as connection:
            tables = [str(row[0]) for row in connection.execute(_TABLES)]
            sequences = [row[0] for row in connection.execute(_SEQUENCES)]
            connection.execute("CREATE SCHEMA at_start")
            for table in tables:
                connection.execute(f'CREATE TABLE at_start."{table}" AS SELECT * FROM public."{table}"')
            values = [(name, *_only(connection, f'SELECT last_value, is_called FROM "{name}"')) for name in sequences]
            self._columns = _only(connection, _COLUMNS)
        empty = [f'DELETE FROM public."{table}"' for table in tables]
        fill = [f'INSERT INTO public."{table}" SELECT * FROM at_start."{table}"' for table in tables]
        reset = [f"SELECT setval('\"{name}\"', {value}, {called})" for name, value, called in values]
        self._empty, self._fill = ";".join(empty), ";".join([*fill, *reset])

    def restored(self) -> bool:
        """Replace all rows by those at the start; return False if the schema has changed or a lock is held."""
        try:
            with self._connect() as connection:
                connection.execute(_END_OTHERS)
                if _only(connection, _COLUMNS) != self._columns:
                    return False
                connection.execute("SET lock_timeout = '3s'")
                connection.execute("SET session_replication_role = replica")  # Without foreign keys.
                connection.execute(self._empty)
                # Without it, new rows would fill gaps of deleted ones, and be read in another order than written.
                connection.execute(f"VACUUM (TRUNCATE ON) {', '.join(name for (name,) in connection.execute(_FILLED))}")
                connection.execute(self._fill)
        except psycopg.Error:
            return False
        return True

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.url, autocommit=True)


_FILLED = """
    SELECT format('public.%I', relname) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND pg_relation_size(oid) > 0
"""
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
_SEQUENCES = "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'"
_COLUMNS = """
    SELECT count(*), coalesce(sum(a.attrelid::bigint), 0) FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = 'public'::regnamespace AND NOT a.attisdropped
"""
_END_OTHERS = """
    SELECT pg_terminate_backend(pid, 3000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
"""


def _only(connection: psycopg.Connection[Any], query: str) -> tuple[Any, ...]:
    row = connection.execute(query).fetchone()
    assert row is not None
    return tuple(row)


def _with_psycopg(url: str) -> str:
    return url.replace("postgresql://", "postgresql+psycopg://")


class ReusedEngines:
    """Engines that are used again by later tests with the same URL, with the statements they have compiled.

    Compiling the same statements anew for each test took an eighth of the time of the tests with a database.
    """

    def __init__(self, opened: Callable[[str], Engine]) -> None:
        self._open = opened
        self._idle: dict[str, list[Engine]] = {}

    def __call__(self, url: str) -> Engine:
        idle = self._idle.setdefault(url, [])
        engine = idle.pop() if idle else self._open(url)
        dispose = Engine.dispose

        def keep(close: bool = True) -> None:
            dispose(engine, close)
            if engine not in idle:
                idle.append(engine)

        engine.dispose = keep  # type: ignore[method-assign]  # The engine stays usable after it was disposed of.
        return engine
