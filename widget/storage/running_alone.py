"""Let one process at a time do a job, on all hosts that share the database."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Engine, func, select

from widget.storage.database import POOLER

LOCK_SPACE = 0x5251
"""The first half of the advisory locks' keys, so that other programs' locks in this database do not collide."""
_running: set[tuple[int, str]] = set()
_guard = threading.Lock()


@contextmanager
def running_alone(database: Engine, job: str) -> Iterator[bool]:
    """Yield whether no other process is doing this job; while inside, none will.

    On PostgreSQL, an advisory lock of a connection of its own, which ends with the connection if the process dies.
    Behind a pooler in transaction mode connections are shared, so there only this process is excluded, as on SQLite,
    which has one host.
    """
    with _alone_in_process(database, job) as first:
        if not first or database.dialect.name != "postgresql" or database.get_execution_options().get(POOLER):
            yield first
            return
        key = zlib.crc32(job.encode()) & 0x7FFF_FFFF
        with database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            held = bool(connection.scalar(select(func.pg_try_advisory_lock(LOCK_SPACE, key))))
            try:
                yield held
            finally:
                if held:
                    connection.execute(select(func.pg_advisory_unlock(LOCK_SPACE, key)))


@contextmanager
def _alone_in_process(database: Engine, job: str) -> Iterator[bool]:
    mine = (id(database), job)
    with _guard:
        first = mine not in _running
        _running.add(mine)
    try:
        yield first
    finally:
        if first:
            with _guard:
                _running.discard(mine)
