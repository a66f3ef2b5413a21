"""Send outbox messages: claim, hand over to the provider without an open transaction, record the outcome."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from widget.crypto import OUTBOX, InvalidToken
from widget.email.transport import PermanentFailure, TemporaryFailure, UnknownOutcome
from widget.services import Services
from widget.storage.outbox import (
    DELIVERY_UNKNOWN,
    FAILED,
    PLANNED,
    SENDING,
    SENT,
    OutboxMessage,
    doubt_messages,
    due_messages,
)
from widget.storage.rate_limits import acquire
from widget.telemetry import log

BATCH = 20
MAX_ATTEMPTS = 10
FIRST_RETRY, LONGEST_RETRY = timedelta(minutes=1), timedelta(hours=3)
GIVEN_UP_AFTER = timedelta(minutes=15)
"""A message in ``sending`` for this long has lost its worker: whether it was sent is unknown."""


def send_outbox(services: Services) -> int:
    """Send the due messages within the provider's rate limit; return how many were due."""
    _rescue(services)
    with services.reads() as session:
        due = due_messages(session, services.now(), BATCH)
    for message_id in due:
        if not _may_send(services):
            break
        send_message(services, message_id)
    return len(due)


def send_message(services: Services, message_id: int) -> None:
    """Send one message if it is still due, and record the outcome in its row."""
    with services.sessions.begin() as session:
        row = session.get(OutboxMessage, message_id, with_for_update=True)
        if row is None or row.state != PLANNED or row.due_at > services.now():
            return
        row.state, row.attempts, row.changed_at = SENDING, row.attempts + 1, services.now()
        attempts, recipient, content = row.attempts, row.encrypted_recipient, row.encrypted_message
        kind = row.kind
    state, reason, due_at = _handed_over(services, recipient, content, attempts)
    with services.sessions.begin() as session:
        row = session.get(OutboxMessage, message_id, with_for_update=True, populate_existing=True)
        if row is not None and row.state == SENDING:  # None: the recipient was erased meanwhile.
            row.state, row.reason, row.changed_at = state, reason, services.now()
            row.due_at = due_at or row.due_at
            if state != PLANNED:
                row.encrypted_recipient, row.encrypted_message = "", b""
    log("outbox").info("message", message_id=message_id, kind=kind, state=state, reason=reason)


def _handed_over(services: Services, recipient: str, content: bytes, attempts: int) -> tuple[str, str, datetime | None]:
    """Hand the message to the provider; return (state, reason, time of the next attempt)."""
    try:
        message = services.crypto.decrypt_bytes(content, OUTBOX)
        services.transport.send(message, services.crypto.decrypt(recipient, OUTBOX))
    except InvalidToken:
        return FAILED, "the message was encrypted with a key that no longer exists", None
    except TemporaryFailure as error:
        if attempts >= MAX_ATTEMPTS:
            return FAILED, f"gave up after {attempts} attempts: {error}", None
        wait = min(FIRST_RETRY * 2 ** (attempts - 1), LONGEST_RETRY)
        return PLANNED, f"will retry: {error}", services.now() + wait * random.uniform(0.8, 1.2)  # noqa: S311  # Jitter.
    except PermanentFailure as error:
        return FAILED, f"refused: {error}", None
    except UnknownOutcome as error:
        return DELIVERY_UNKNOWN, str(error), None
    return SENT, "", None


def _may_send(services: Services) -> bool:
    """Take one message from the provider's rate limit; return whether it may be sent."""
    limit = services.settings.max_sending_rate
    if limit is None:
        return True
    most, seconds = limit
    with services.sessions.begin() as session:
        return acquire(session, "mail", wanted=1, most=most, seconds=seconds, now=datetime.now(UTC)) == 1


def _rescue(services: Services) -> None:
    now = services.now()
    stuck = (OutboxMessage.state == SENDING, OutboxMessage.changed_at < now - GIVEN_UP_AFTER)
    with services.sessions.begin() as session:
        doubt_messages(session, *stuck, reason="the worker stopped", now=now)
