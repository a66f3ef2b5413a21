"""Insert a row unless its unique key exists: one atomic statement."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from sqlalchemy import Insert
from sqlalchemy import Table as Plain
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from widget.storage.database import Table


def insert_or_ignore(session: Session, table: type[Table], row: dict[str, Any], keys: tuple[str, ...]) -> bool:
    """Whether the row was added. ``keys``: the columns of the unique key."""
    statement = _statement(table, keys, session.get_bind().dialect.name)
    # What came back says whether a row was made; row counts differ from one database driver to the next.
    return session.connection().execute(statement, row).first() is not None


@cache
def _statement(table: type[Table], keys: tuple[str, ...], dialect: str) -> Insert:
    """Putting a statement together costs more than running it."""
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    plain = cast("Plain", table.__table__)
    return make(plain).on_conflict_do_nothing(index_elements=list(keys)).returning(plain.c.id)
