"""Tasks that call stores: importing feeds and catalogs, and reconciling orders that no webhook delivered."""

from __future__ import annotations

from widget.actions.catalog.import_due_feeds import import_due_feeds
from widget.actions.orders.reconcile_orders import reconcile_orders
from workers.app import app, sweep


@app.task(name="import_feeds")  # type: ignore[untyped-decorator]  # Celery has no type hints.
def import_feeds_task() -> int:
    return sweep("import_feeds", import_due_feeds)


@app.task(name="reconcile_orders")  # type: ignore[untyped-decorator]  # Celery has no type hints.
def reconcile_orders_task() -> int:
    return sweep("reconcile_orders", reconcile_orders)
