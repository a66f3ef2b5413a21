"""Nudges: after a commit, tell the workers which queue has new rows. The sweep finds them without a nudge too."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import event
from sqlalchemy.orm import Session, sessionmaker

WEBHOOKS, EMAILS, CATALOG, CONTENT = "webhooks", "emails", "catalog", "content"
QUEUES = (WEBHOOKS, EMAILS, CATALOG, CONTENT)
_PENDING = "nudges"


def nudge(session: Session, queue: str) -> None:
    """Tell the workers of this queue once the transaction of ``session`` has committed; never when it rolls back."""
    session.info.setdefault(_PENDING, set()).add(queue)


def publish_nudges(sessions: sessionmaker[Session], publish: Callable[[str], None]) -> None:
    """Call ``publish`` with each nudged queue after every commit of these sessions."""

    def after_commit(session: Session) -> None:
        if not session.in_nested_transaction():
            for queue in sorted(session.info.pop(_PENDING, ())):
                publish(queue)

    def after_rollback(session: Session) -> None:
        session.info.pop(_PENDING, None)

    event.listen(sessions, "after_commit", after_commit)
    event.listen(sessions, "after_rollback", after_rollback)
