"""The Celery app: tasks, schedule, and the services of each worker process."""

from __future__ import annotations

import threading
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown, worker_ready, worker_shutdown
from kombu.exceptions import KombuError

from widget.actions.catalog.import_due_feeds import import_due_feeds
from widget.actions.content.check_draft import check_waiting_drafts
from widget.actions.content.publish_draft import publish_due
from widget.actions.emails.rescue_emails import rescue_emails
from widget.actions.emails.send_email import send_due_emails
from widget.actions.emails.send_outbox import send_outbox
from widget.actions.orders.reconcile_orders import reconcile_orders
from widget.actions.privacy.carry_out_requests import carry_out_due
from widget.actions.privacy.purge_expired import purge_expired
from widget.actions.webhooks.collect_bounces import collect_bounces
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.services import Services, build_services, open_shared_cache
from widget.settings import Settings, read_settings
from widget.telemetry import log, start_logs
from workers.nudges import NudgeListener

SOFT_SECONDS, HARD_SECONDS = 600, 660
app = Celery("recovery-quiz")
_held: dict[str, Services] = {}
_listening: list[NudgeListener] = []
_building = threading.Lock()


def configure(settings: Settings) -> None:
    """Beat only says that it is time to look; what is to be done stands in the database.

    A look that could not start before the next one is due is worth nothing, hence ``expires``.
    """
    sweep = settings.sweep_seconds
    app.conf.update(
        broker_url=_broker(settings.broker_url),
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": 3600,
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
        },
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=False,
        # A task that hangs is ended; what it was at stands in the database and is found again.
        task_soft_time_limit=SOFT_SECONDS,
        task_time_limit=HARD_SECONDS,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        timezone="UTC",
        enable_utc=True,
        beat_schedule={
            "handle-webhooks": {"task": "process_webhooks", "schedule": sweep, "options": {"expires": sweep * 2}},
            "send-emails": {"task": "send_emails", "schedule": sweep, "options": {"expires": sweep * 2}},
            "send-outbox": {"task": "send_outbox", "schedule": sweep, "options": {"expires": sweep * 2}},
            "check-drafts": {"task": "check_drafts", "schedule": sweep, "options": {"expires": sweep * 2}},
            "publish-due": {"task": "publish_due", "schedule": sweep, "options": {"expires": sweep * 2}},
            "import-feeds": {"task": "import_feeds", "schedule": sweep, "options": {"expires": sweep * 2}},
            "reconcile-orders": {"task": "reconcile_orders", "schedule": 60.0, "options": {"expires": 60}},
            "collect-bounces": {"task": "collect_bounces", "schedule": 60.0, "options": {"expires": 60}},
            "carry-out-privacy": {"task": "carry_out_privacy", "schedule": 60.0, "options": {"expires": 60}},
            "rescue-emails": {"task": "rescue_emails", "schedule": 60.0, "options": {"expires": 60}},
            "purge-expired": {"task": "purge_expired", "schedule": 3600.0, "options": {"expires": 3600}},
        },
    )


def _broker(url: str) -> str:
    """Celery's spelling of a Redis on a local socket."""
    return url.replace("unix://", "redis+socket://", 1) if url.startswith("unix://") else url


@app.on_configure.connect  # type: ignore[untyped-decorator]
def _configure(**_: Any) -> None:
    configure(read_settings())


@setup_logging.connect  # type: ignore[untyped-decorator]
def _logs(**_: Any) -> None:
    start_logs(read_settings().log_level)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _discard_inherited_services(**_: Any) -> None:
    """A forked process must not share its parent's connections."""
    held = _held.pop("services", None)
    if held:
        held.database.dispose(close=False)


@worker_ready.connect  # type: ignore[untyped-decorator]  # Celery's signals carry no types.
def _listen_for_nudges(**_: Any) -> None:
    """In the worker's main process; its pool processes never listen."""
    listener = NudgeListener(open_shared_cache(read_settings()), _send)
    _listening.append(listener)
    listener.start()


@worker_shutdown.connect  # type: ignore[untyped-decorator]  # Celery's signals carry no types.
def _stop_listening(**_: Any) -> None:
    while _listening:
        _listening.pop().stop()


def _send(task: str) -> None:
    """Without retries: the sweep comes anyway, and a broker that is gone must not hold the listener up."""
    try:
        app.send_task(task, expires=SOFT_SECONDS, retry=False)
    except (KombuError, OSError) as error:
        log("workers").warning("nudge_not_sent", task=task, error=type(error).__name__)


@worker_process_shutdown.connect  # type: ignore[untyped-decorator]
@worker_shutdown.connect  # type: ignore[untyped-decorator]
def _close(**_: Any) -> None:
    held = _held.pop("services", None)
    if held:
        held.close()


def services() -> Services:
    """This process's services, built at its first task."""
    with _building:  # Threads of one pool share them.
        if "services" not in _held:
            _held["services"] = build_services(read_settings())
        return _held["services"]


@app.task(name="process_webhooks")  # type: ignore[untyped-decorator]
def process_webhooks_task() -> int:
    return process_webhooks(services())


@app.task(name="send_emails")  # type: ignore[untyped-decorator]
def send_emails_task() -> int:
    return send_due_emails(services())


@app.task(name="send_outbox")  # type: ignore[untyped-decorator]
def send_outbox_task() -> int:
    return send_outbox(services())


@app.task(name="carry_out_privacy")  # type: ignore[untyped-decorator]
def carry_out_privacy_task() -> int:
    return carry_out_due(services())


@app.task(name="rescue_emails")  # type: ignore[untyped-decorator]
def rescue_emails_task() -> int:
    return rescue_emails(services())


@app.task(name="purge_expired")  # type: ignore[untyped-decorator]
def purge_expired_task() -> int:
    return purge_expired(services())


@app.task(name="check_drafts")  # type: ignore[untyped-decorator]
def check_drafts_task() -> int:
    return check_waiting_drafts(services())


@app.task(name="publish_due")  # type: ignore[untyped-decorator]
def publish_due_task() -> int:
    return publish_due(services())


@app.task(name="import_feeds")  # type: ignore[untyped-decorator]
def import_feeds_task() -> int:
    return import_due_feeds(services())


@app.task(name="reconcile_orders")  # type: ignore[untyped-decorator]
def reconcile_orders_task() -> int:
    return reconcile_orders(services())


@app.task(name="collect_bounces")  # type: ignore[untyped-decorator]
def collect_bounces_task() -> int:
    return collect_bounces(services())
