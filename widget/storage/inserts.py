"""Inserts that handle unique key conflicts, each as one atomic statement, on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, cast

from sqlalchemy import ColumnElement, Insert
from sqlalchemy import Table as Plain
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from widget.storage.database import Table


def insert_or_ignore(session: Session, table: type[Table], row: dict[str, Any], keys: tuple[str, ...]) -> bool:
    """Insert a row unless its unique key exists; return whether it was inserted. ``keys``: the columns of that key."""
    statement = _or_ignore(table, keys, session.get_bind().dialect.name)
    # A returned row means that one was inserted; row counts differ between database drivers.
    return session.connection().execute(statement, row).first() is not None


def insert_all_or_ignore(
    session: Session, table: type[Table], rows: Sequence[dict[str, Any]], keys: tuple[str, ...]
) -> None:
    """Insert rows, leaving out those whose unique key exists."""
    plain = cast("Plain", table.__table__)
    statement = _insert_into(plain, session.get_bind().dialect.name)
    session.connection().execute(statement.on_conflict_do_nothing(index_elements=list(keys)), list(rows))


def insert_or_update(
    session: Session,
    table: type[Table],
    row: dict[str, Any],
    keys: tuple[str, ...],
    *,
    update: dict[str, Any],
    where: ColumnElement[bool],
) -> None:
    """Insert a row, or set ``update`` in the row with the same unique key where that row fulfills ``where``."""
    statement = _insert_into(cast("Plain", table.__table__), session.get_bind().dialect.name).values(**row)
    session.execute(statement.on_conflict_do_update(index_elements=list(keys), set_=update, where=where))


def add_numbers(session: Session, table: type[Table], rows: Sequence[dict[str, Any]], keys: tuple[str, ...]) -> None:
    """Add the ``number`` of each row to the row with the same key, inserting new rows."""
    statement = _adding(table, keys, session.get_bind().dialect.name)
    session.connection().execute(statement, list(rows))


def _insert_into(table: Plain, dialect: str) -> postgresql.Insert | sqlite.Insert:
    return postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)


# Building a statement costs more than running it, hence the caches.
@cache
def _or_ignore(table: type[Table], keys: tuple[str, ...], dialect: str) -> Insert:
    plain = cast("Plain", table.__table__)
    statement = _insert_into(plain, dialect).on_conflict_do_nothing(index_elements=list(keys))
    return statement.returning(plain.c[keys[0]])


@cache
def _adding(table: type[Table], keys: tuple[str, ...], dialect: str) -> Insert:
    plain = cast("Plain", table.__table__)
    statement = _insert_into(plain, dialect)
    total = plain.c.number + statement.excluded.number
    return statement.on_conflict_do_update(index_elements=list(keys), set_={"number": total})
