"""Tasks that check drafts and run scheduled publishes."""

from __future__ import annotations

from widget.actions.content.check_draft import check_waiting_drafts
from widget.actions.content.publish_draft import publish_due
from workers.app import app, sweep


@app.task(name="check_drafts")  # type: ignore[untyped-decorator]  # Celery has no type hints.
def check_drafts_task() -> int:
    return sweep("check_drafts", check_waiting_drafts)


@app.task(name="publish_due")  # type: ignore[untyped-decorator]  # Celery has no type hints.
def publish_due_task() -> int:
    return sweep("publish_due", publish_due)
