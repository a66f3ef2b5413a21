"""The database engine: SQLite (WAL) or PostgreSQL, chosen by the URL."""

from __future__ import annotations

import os
import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import URL, DateTime, Dialect, Engine, MetaData, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.types import TypeDecorator

from widget.private_files import OWNER_ONLY_FILE

BUSY_MS = 5000
LOOK_SECONDS = 0.0007
POOL_SECONDS = 3
"""How long a request waits for one of this process's connections."""
POOLER, TRANSACTION = "pooler", "transaction"
"""``?pooler=transaction`` in the URL: PgBouncer or another pooler gives each transaction any of its connections, so
that nothing may last longer than a transaction: no prepared statement, no setting, no lock."""
STATEMENT_MS = 15_000
SESSION_LIMITS = {
    "statement_timeout": STATEMENT_MS,
    "lock_timeout": 8000,
    "idle_in_transaction_session_timeout": 60000,
}
TRANSACTION_LIMITS = "SELECT " + ", ".join(
    f"set_config('{name}', '{value}', true)" for name, value in SESSION_LIMITS.items()
)
"""A single statement, since only such can be pipelined."""
POSTGRES_LIMITS: dict[str, Any] = {
    "connect_timeout": 2,
    "tcp_user_timeout": 3000,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 2,
    "options": " ".join(f"-c {name}={value}" for name, value in SESSION_LIMITS.items()),
}
Sessions = sessionmaker[Session]


class Utc(TypeDecorator[datetime]):
    """A timezone-aware datetime in UTC. Naive datetimes are rejected, even on SQLite, which has no time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is not None and value.tzinfo is None:
            raise ValueError("a moment needs a time zone")
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Table(DeclarativeBase):
    """Base class of all tables. Constraint names are fixed, so that migrations can refer to them on both databases."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def only_rows(condition: str) -> dict[str, Any]:
    """Return the options of an index of only the rows that meet a condition."""
    return {"postgresql_where": text(condition), "sqlite_where": text(condition)}


def open_database(url: str) -> Engine:
    """Create the engine for this URL. SQLite uses WAL, waits when busy, and takes the write lock at BEGIN."""
    if url.startswith("sqlite"):
        _make_private(make_url(url).database)
        engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_immediate)
        return engine
    parsed = make_url(_with_driver(url))
    pooled = parsed.query.get(POOLER) == TRANSACTION
    parsed = parsed.difference_update_query([POOLER])
    limits = _limits_of(parsed)
    if pooled:
        limits |= {"prepare_threshold": None, "options": ""}
    engine = create_engine(
        parsed,
        pool_size=5,
        max_overflow=5,
        pool_pre_ping=True,
        pool_timeout=POOL_SECONDS,
        connect_args=limits,
        execution_options={POOLER: pooled},
    )
    if pooled:
        event.listen(engine, "begin", _limit_transaction)
    return engine


def _limits_of(url: URL) -> dict[str, Any]:
    """Return time limits that keep an unresponsive database from blocking all requests; the URL may override them.

    Source: PostgreSQL documentation, "Parameter Key Words" (libpq) and "Client Connection Defaults".
    """
    return {name: value for name, value in POSTGRES_LIMITS.items() if name not in url.query}


def _limit_transaction(connection: Any) -> None:
    """Set the time limits for one transaction: a pooler in transaction mode forgets or mixes up those of a session."""
    connection.exec_driver_sql(TRANSACTION_LIMITS)


def _make_private(path: str | None) -> None:
    """Restrict a SQLite database file to its owner; its journals inherit the permissions."""
    if not path or path == ":memory:" or not Path(path).parent.is_dir():
        return
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, OWNER_ONLY_FILE))
    file = Path(path)
    if file.stat().st_uid == os.getuid() and file.stat().st_mode & 0o077:
        file.chmod(OWNER_ONLY_FILE)


def allow_long(session: Session) -> None:
    """Lift the statement timeout for this transaction: for jobs over a whole table, not for requests."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET LOCAL statement_timeout = 0"))


def scrub(engine: Engine) -> None:
    """After an erasure on SQLite, move the contents of the write-ahead log into the database and truncate the log.

    The log keeps earlier states of pages. While a reader uses an older state, this does nothing; the next purge does.
    """
    if engine.dialect.name != "sqlite":
        return
    raw = engine.raw_connection()
    try:
        raw.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    finally:
        raw.close()


def _with_driver(url: str) -> str:
    for plain in ("postgresql://", "postgres://"):
        if url.startswith(plain):
            return "postgresql+psycopg://" + url.removeprefix(plain)
    return url


def open_sessions(engine: Engine) -> Sessions:
    return sessionmaker(engine, expire_on_commit=False)


def _prepare_sqlite(connection: Any, record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # We issue BEGIN ourselves: the driver does so too late.
    # secure_delete overwrites deleted data: an erased address must not remain in the file.
    for pragma in (
        "journal_mode=WAL",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        "secure_delete=ON",
        f"busy_timeout={BUSY_MS}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Any) -> None:
    # A transaction that reads first and writes later fails if the database changed in between. Taking the write lock
    # at once avoids that.
    raw = connection.connection.dbapi_connection
    if connection.get_execution_options().get("reads_only"):
        raw.execute("BEGIN DEFERRED")
        return
    raw.execute("PRAGMA busy_timeout=0")
    try:
        _take_the_lock(raw)
    finally:
        raw.execute(f"PRAGMA busy_timeout={BUSY_MS}")


def _take_the_lock(raw: Any) -> None:
    """Take the write lock, polling often. Raises OperationalError after BUSY_MS.

    SQLite's own wait sleeps longer and longer, so a process that writes all the time (a busy worker) would lock out a
    web server for seconds.
    """
    end = time.monotonic() + BUSY_MS / 1000
    while True:
        try:
            raw.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise OperationalError("BEGIN IMMEDIATE", None, error) from error  # As SQLAlchemy itself does.
            time.sleep(LOOK_SECONDS)
        else:
            return


def is_lost(error: Exception) -> bool:
    """Return whether an error means that the database cannot be reached, rather than that a statement was wrong."""
    if isinstance(error, PoolTimeout):
        return True
    return isinstance(error, DBAPIError) and (
        error.connection_invalidated or isinstance(error, OperationalError | InterfaceError)
    )


def ping(session: Session) -> None:
    """Ask the database for an answer. Raises SQLAlchemyError."""
    session.execute(text("SELECT 1"))
