"""Nudges: after a commit, notify the workers of the queue that has new rows. The sweep is the fallback."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.orm import Session, sessionmaker

WEBHOOKS, EMAILS, CATALOG, CONTENT = "webhooks", "emails", "catalog", "content"
QUEUES = (WEBHOOKS, EMAILS, CATALOG, CONTENT)
_PENDING = "nudges"


def nudge(session: Session, queue: str) -> None:
    """Notify the workers of this queue once the transaction of ``session`` commits, but not if it rolls back."""
    session.info.setdefault(_PENDING, set()).add(queue)


def publish_nudges(sessions: sessionmaker[Session], publish: Callable[[str], None]) -> None:
    """After every commit of these sessions, call ``publish`` with each nudged queue."""

    def after_commit(session: Session) -> None:
        if not session.in_nested_transaction():
            for queue in sorted(session.info.pop(_PENDING, ())):
                publish(queue)

    def after_rollback(session: Session) -> None:
        session.info.pop(_PENDING, None)

    event.listen(sessions, "after_commit", after_commit)
    event.listen(sessions, "after_rollback", after_rollback)
