"""Tasks that process webhook deliveries and collect bounce messages received by email."""

from __future__ import annotations

from widget.actions.webhooks.collect_bounces import collect_bounces
from widget.actions.webhooks.process_webhooks import process_webhooks
from workers.app import app, sweep


@app.task(name="process_webhooks")  # type: ignore[untyped-decorator]  # Celery has no type hints.
def process_webhooks_task() -> int:
    return sweep("process_webhooks", process_webhooks)


@app.task(name="collect_bounces")  # type: ignore[untyped-decorator]  # Celery has no type hints.
def collect_bounces_task() -> int:
    return sweep("collect_bounces", collect_bounces)
