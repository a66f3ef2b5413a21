"""Forget what is kept for a while only."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete

from widget.parts import Parts
from widget.storage.hooks import WAITING, Hook
from widget.storage.responses import forget_responses

RESPONSES_FOR = timedelta(days=30)
HOOKS_FOR = timedelta(days=30)


def forget_old(parts: Parts) -> int:
    """Delete anonymous responses and hooks past their time; the number of responses."""
    now = parts.now()
    with parts.sessions.begin() as session:
        session.execute(delete(Hook).where(Hook.state != WAITING, Hook.received_at < now - HOOKS_FOR))
        return forget_responses(session, now - RESPONSES_FOR)
