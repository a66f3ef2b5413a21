"""One production host for all tests that need a real server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import create_engine, text

from tests.browser.conftest import browser
from tests.support.production import Production

__all__ = ["browser"]


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory, postgres_url: str, redis_server: Any) -> Iterator[Production]:
    """``recovery-quiz web``, ``worker`` and ``beat`` in production mode on PostgreSQL, behind nginx with TLS."""
    admin = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    name = f"rq_production_{tmp_path_factory.getbasetemp().name.replace('-', '_')}"
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    head, _, tail = postgres_url.partition("?")
    url = f"{head.rsplit('/', 1)[0]}/{name}" + (f"?{tail}" if tail else "")
    host = Production(tmp_path_factory.mktemp("production"), database_url=url, redis_url=redis_server())
    try:
        host.start()
        yield host
    finally:
        host.stop()
        with admin.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
        admin.dispose()
