"""Tasks for privacy requests and data retention."""

from __future__ import annotations

from widget.actions.privacy.carry_out_requests import carry_out_due
from widget.actions.privacy.purge_expired import purge_expired
from workers.app import app, sweep


@app.task(name="carry_out_privacy")  # type: ignore[untyped-decorator]  # Celery has no type hints.
def carry_out_privacy_task() -> int:
    return sweep("carry_out_privacy", carry_out_due)


@app.task(name="purge_expired")  # type: ignore[untyped-decorator]  # Celery has no type hints.
def purge_expired_task() -> int:
    return sweep("purge_expired", purge_expired)
