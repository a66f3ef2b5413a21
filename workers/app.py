"""The Celery app: its configuration, its signals, and the services of each worker process."""

from __future__ import annotations

import threading
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown, worker_ready, worker_shutdown
from kombu.exceptions import KombuError

from widget.services import Services, build_services, open_shared_cache
from widget.settings import Settings, read_settings
from widget.telemetry import log, start_logs
from workers.nudges import NudgeListener
from workers.schedule import beat_schedule

SOFT_SECONDS, HARD_SECONDS = 600, 660
TASKS = ("webhooks", "emails", "catalog", "content", "maintenance")
app = Celery("recovery-quiz", include=[f"workers.tasks.{name}" for name in TASKS])
_held: dict[str, Services] = {}
_listening: list[NudgeListener] = []
_building = threading.Lock()


def configure(settings: Settings) -> None:
    """Configure Celery from the settings."""
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
        # A hanging task is killed; its rows remain in the database, where the next run finds them.
        task_soft_time_limit=SOFT_SECONDS,
        task_time_limit=HARD_SECONDS,
        worker_hijack_root_logger=False,
        worker_send_task_events=False,
        timezone="UTC",
        enable_utc=True,
        beat_schedule=beat_schedule(settings.sweep_seconds),
    )


def _broker(url: str) -> str:
    """Return a broker URL in the form that Celery needs for a Redis on a local socket."""
    return url.replace("unix://", "redis+socket://", 1) if url.startswith("unix://") else url


@app.on_configure.connect  # type: ignore[untyped-decorator]
def _configure(**_: Any) -> None:
    configure(read_settings())


@setup_logging.connect  # type: ignore[untyped-decorator]
def _logs(**_: Any) -> None:
    start_logs(read_settings().log_level)


@worker_process_init.connect  # type: ignore[untyped-decorator]
def _discard_inherited_services(**_: Any) -> None:
    """Drop the services inherited from the parent: a forked process must not share its connections."""
    held = _held.pop("services", None)
    if held:
        held.database.dispose(close=False)


@worker_ready.connect  # type: ignore[untyped-decorator]  # Celery's signals have no type hints.
def _listen_for_nudges(**_: Any) -> None:
    """Start the nudge listener in the worker's main process; pool processes do not listen."""
    listener = NudgeListener(open_shared_cache(read_settings()), _send)
    _listening.append(listener)
    listener.start()


@worker_shutdown.connect  # type: ignore[untyped-decorator]  # Celery's signals have no type hints.
def _stop_listening(**_: Any) -> None:
    while _listening:
        _listening.pop().stop()


def _send(task: str) -> None:
    """Send a task without retries: the sweep is the fallback, and an unavailable broker must not block the listener."""
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
    """Return the services of this process, built at its first task; threads of one pool share them."""
    with _building:
        if "services" not in _held:
            _held["services"] = build_services(read_settings())
        return _held["services"]
