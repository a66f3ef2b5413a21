"""The schedule of Celery beat. Tasks find their work in the database; beat only triggers them."""

from __future__ import annotations

from typing import Any

MINUTE, HOUR = 60.0, 3600.0
IN_EACH_SWEEP = ("process_webhooks", "send_emails", "send_outbox")
IN_EVERY_SECOND_SWEEP = ("check_drafts", "publish_due", "import_feeds", "rescue_emails")
EVERY_MINUTE = ("reconcile_orders", "collect_bounces", "carry_out_privacy")
EVERY_HOUR = ("purge_expired",)
EXPIRES_SECONDS = 300.0
"""After this, a message that no worker took is dropped: a later one does the same work. Expiry compares the clocks of
two hosts, so it must be far longer than they can differ; with an expiry of twice the interval, a worker four seconds
ahead dropped every message."""


def beat_schedule(sweep_seconds: float) -> dict[str, dict[str, Any]]:
    """Return Celery's ``beat_schedule``. ``sweep_seconds``: the interval of tasks that people wait for."""
    groups = (
        (IN_EACH_SWEEP, sweep_seconds),
        (IN_EVERY_SECOND_SWEEP, sweep_seconds * 2),
        (EVERY_MINUTE, MINUTE),
        (EVERY_HOUR, HOUR),
    )
    return {
        task.replace("_", "-"): {
            "task": task,
            "schedule": seconds,
            "options": {"expires": max(EXPIRES_SECONDS, seconds)},
        }
        for tasks, seconds in groups
        for task in tasks
    }
