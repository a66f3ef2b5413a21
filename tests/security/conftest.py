"""One production host for all tests that need a real server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine, text

from tests.support.private_redis import PrivateRedis
from tests.support.production import Production


@pytest.fixture(scope="session")
def production(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Production]:
    """``recovery-quiz web``, ``worker`` and ``beat`` in production mode on PostgreSQL, behind nginx with TLS."""
    admin = create_engine(postgres_url.replace("postgresql://", "postgresql+psycopg://"), isolation_level="AUTOCOMMIT")
    name = f"rq_production_{tmp_path_factory.getbasetemp().name.replace('-', '_')}"
    with admin.connect() as connection:
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    head, _, tail = postgres_url.partition("?")
    url = f"{head.rsplit('/', 1)[0]}/{name}" + (f"?{tail}" if tail else "")
    redis = PrivateRedis()  # A separate Redis: beat sends tasks at any time, and other tests count keys.
    host = Production(tmp_path_factory.mktemp("production"), database_url=url, redis_url=redis())
    try:
        host.start()
        yield host
    finally:
        host.stop()
        redis.stop()
        with admin.connect() as connection:
            connection.execute(text(f'DROP DATABASE "{name}" WITH (FORCE)'))
        admin.dispose()
