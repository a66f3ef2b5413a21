"""The schedule of Celery beat. Tasks find their work in the database; beat only triggers them."""

from __future__ import annotations

from typing import Any

MINUTE, HOUR = 60.0, 3600.0
IN_EACH_SWEEP = ("process_webhooks", "send_emails", "send_outbox", "check_drafts", "publish_due", "import_feeds")
EVERY_MINUTE = ("reconcile_orders", "collect_bounces", "carry_out_privacy", "rescue_emails")
EVERY_HOUR = ("purge_expired",)


def beat_schedule(sweep_seconds: float) -> dict[str, dict[str, Any]]:
    """Return Celery's ``beat_schedule``. ``sweep_seconds``: the interval of tasks that people wait for."""
    groups = (
        (IN_EACH_SWEEP, sweep_seconds, sweep_seconds * 2),
        (EVERY_MINUTE, MINUTE, MINUTE),
        (EVERY_HOUR, HOUR, HOUR),
    )
    return {
        task.replace("_", "-"): _entry(task, seconds, expires=expires)
        for tasks, seconds, expires in groups
        for task in tasks
    }


def _entry(task: str, seconds: float, *, expires: float) -> dict[str, Any]:
    # A run that could not start in time is dropped, since a later run does the same work.
    return {"task": task, "schedule": seconds, "options": {"expires": expires}}
