"""Table rows and fresh PostgreSQL databases for tests."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from typing import Any

from sqlalchemy import create_engine, select, text

from widget.services import Services


def rows(services: Services, table: type) -> list[Any]:
    with services.reads() as session:
        return list(session.scalars(select(table)))


def _named(server: str, name: str) -> str:
    head, _, tail = server.partition("?")
    return f"{head.rsplit('/', 1)[0]}/{name}" + (f"?{tail}" if tail else "")


def fresh_postgres(server: str, model: str) -> Iterator[str]:
    base = server.replace("postgresql://", "postgresql+psycopg://")
    name = f"rq_{os.getpid()}_{time.monotonic_ns()}"
    admin = create_engine(base, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{model}"'))
    yield _named(server, name)
    with admin.connect() as connection:
        connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
    admin.dispose()
