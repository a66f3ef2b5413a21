"""Tasks that send due emails and the outbox, and rescue stuck emails."""

from __future__ import annotations

from widget.actions.emails.rescue_emails import rescue_emails
from widget.actions.emails.send_email import send_due_emails
from widget.actions.emails.send_outbox import send_outbox
from workers.app import app, sweep


@app.task(name="send_emails")  # type: ignore[untyped-decorator]  # Celery has no type hints.
def send_emails_task() -> int:
    return sweep("send_emails", send_due_emails)


@app.task(name="send_outbox")  # type: ignore[untyped-decorator]  # Celery has no type hints.
def send_outbox_task() -> int:
    return sweep("send_outbox", send_outbox)


@app.task(name="rescue_emails")  # type: ignore[untyped-decorator]  # Celery has no type hints.
def rescue_emails_task() -> int:
    return sweep("rescue_emails", rescue_emails)
