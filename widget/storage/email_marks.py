"""Mark emails as sending and settle those before, each pair in one statement on PostgreSQL.

The mark applies only if nothing has changed since the decision to send was made. It also writes the contact's row,
unchanged: of two workers with an email each to one person, the second waits for the first and then finds another
version of that row (``xmin``), whatever its statement saw when it began.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

import psycopg
from sqlalchemy import Engine, PoolProxiedConnection
from sqlalchemy.exc import OperationalError

from widget.domain.email.sequence import QUEUED, SENDING, SENT
from widget.storage.database import POOLER, TRANSACTION_LIMITS
from widget.storage.email_context import GONE, EmailContext

_MARK = """
WITH settled AS (
    UPDATE emails SET state = %(sent)s, reason = %(settled_reason)s, sent_at = %(at)s, changed_at = %(at)s,
        history = %(settled_history)s, result_code = CASE WHEN %(clear)s THEN '' ELSE result_code END
    WHERE id = %(settled_id)s AND state = %(sending)s
), held AS (
    UPDATE contacts SET locale = locale WHERE id = %(contact_id)s AND xmin = %(contact)s::xid RETURNING id, address_hash
)
UPDATE emails SET state = %(sending)s, reason = %(reason)s, changed_at = %(at)s, history = %(history)s,
    attempts = emails.attempts + 1, message_id = %(message_id)s
FROM held, shops
WHERE emails.id = %(id)s AND emails.state = %(queued)s AND emails.changed_at = %(changed_at)s
    AND emails.contact_id = held.id AND shops.id = emails.shop_id AND shops.xmin = %(shop)s::xid
    AND coalesce((SELECT orders.xmin::text FROM orders WHERE orders.id = emails.order_id), '') = %(order)s
    AND coalesce((
        SELECT suppressions.reason FROM suppressions
        WHERE suppressions.shop_id = emails.shop_id AND suppressions.address_hash = held.address_hash
            AND (suppressions.expires_at IS NULL OR suppressions.expires_at > %(at)s)), '') = %(suppressed)s
    AND coalesce((SELECT max(consents.id) FROM consents WHERE consents.contact_id = emails.contact_id), 0) = %(consent)s
    AND %(others)s = (
        SELECT count(*) FROM emails AS other
        WHERE other.contact_id = emails.contact_id AND other.id <> emails.id AND other.state = ANY(%(gone)s))
    AND NOT EXISTS (SELECT 1 FROM emails AS other WHERE other.order_id = emails.order_id AND other.answer = 'worse')
RETURNING emails.id
"""


@dataclass(frozen=True, slots=True)
class Settled:
    """An email that the provider has accepted, to be stored. ``clear``: delete the answers that it referred to."""

    email_id: int
    reason: str
    history: list[dict[str, Any]]
    clear: bool


@dataclass(frozen=True, slots=True)
class Mark:
    """An email to mark as sending: its state when the decision was made, and what its row will say."""

    known: EmailContext
    message_id: str
    reason: str
    history: list[dict[str, Any]]


class Marker:
    """Marks emails over one connection, which is in no transaction between two calls."""

    def __init__(self, connection: PoolProxiedConnection, *, pooled: bool) -> None:
        self._connection, self._pooled = connection, pooled
        self._driver: psycopg.Connection[Any] = connection.driver_connection  # type: ignore[assignment]
        self._driver.autocommit = True

    def mark(self, before: Settled | None, mark: Mark, at: datetime) -> bool:
        """Store the outcome of the email before, and mark the next one; return whether it was marked.

        It is not if anything has changed since ``mark.known`` was read. Raises OperationalError if the database is
        lost: then either both or neither is stored.
        """
        values = _settle_values(before) | _mark_values(mark, at)
        try:
            with self._transaction():
                return self._driver.execute(_MARK, values).fetchone() is not None
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self._connection.invalidate(error)
            raise OperationalError("mark an email", None, error, connection_invalidated=True) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Open a transaction for the time limits that a pooler would forget; otherwise each statement is one."""
        if not self._pooled:
            yield
            return
        with self._driver.transaction():
            self._driver.execute(TRANSACTION_LIMITS)
            yield


@contextmanager
def marker(database: Engine) -> Iterator[Marker]:
    """Yield a marker with a connection of its own. Raises OperationalError."""
    connection = database.raw_connection()
    try:
        yield Marker(connection, pooled=bool(database.get_execution_options().get(POOLER)))
    finally:
        if connection.is_valid:
            cast("psycopg.Connection[Any]", connection.driver_connection).autocommit = False
        connection.close()


def _settle_values(before: Settled | None) -> dict[str, Any]:
    return {
        "sent": SENT,
        "settled_id": before.email_id if before else None,
        "settled_reason": before.reason if before else "",
        "settled_history": json.dumps(before.history if before else []),
        "clear": before is not None and before.clear,
    }


def _mark_values(mark: Mark, at: datetime) -> dict[str, Any]:
    known, stamp = mark.known, mark.known.stamp
    assert stamp is not None  # The contexts of a batch have one.
    return {
        "id": known.email.id,
        "sending": SENDING,
        "queued": QUEUED,
        "reason": mark.reason,
        "at": at,
        "history": json.dumps(mark.history),
        "message_id": mark.message_id,
        "changed_at": known.email.changed_at,
        "contact_id": known.contact.id,
        "contact": stamp.contact,
        "shop": stamp.shop,
        "order": stamp.order,
        "suppressed": known.suppressed or "",
        "consent": stamp.last_consent,
        "gone": list(GONE),
        "others": stamp.others_gone,
    }
