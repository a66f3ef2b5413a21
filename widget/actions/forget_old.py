"""Forget what is kept for a while only."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, update

from widget.parts import Parts
from widget.storage.hooks import WAITING, Hook
from widget.storage.mail_reports import MailReport
from widget.storage.privacy import PrivacyRequest
from widget.storage.responses import forget_responses

RESPONSES_FOR = timedelta(days=30)
HOOKS_FOR = timedelta(days=30)
REPORTS_FOR = timedelta(days=90)


def forget_old(parts: Parts) -> int:
    """Delete anonymous responses and hooks past their time; the number of responses."""
    now = parts.now()
    with parts.sessions.begin() as session:
        session.execute(delete(Hook).where(Hook.state != WAITING, Hook.received_at < now - HOOKS_FOR))
        old = update(PrivacyRequest).where(PrivacyRequest.copy_until.is_not(None), PrivacyRequest.copy_until < now)
        session.execute(old.values(sealed_copy="", copy_until=None))
        session.execute(delete(MailReport).where(MailReport.at < now - REPORTS_FOR))
        return forget_responses(session, now - RESPONSES_FOR)
