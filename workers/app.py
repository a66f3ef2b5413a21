"""The Celery app: its configuration, its signals, and the services of each worker process."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init, worker_process_shutdown, worker_ready, worker_shutdown
from kombu.exceptions import KombuError

from widget.cache.redis_url import celery_broker
from widget.services import Services, build_services, open_shared_cache
from widget.settings import Settings, read_settings
from widget.storage.running_alone import running_alone
from widget.telemetry import LAST_SWEEP, log, start_logs
from workers.nudges import NudgeListener
from workers.queues import ALONE, QUEUES, limits, routes
from workers.schedule import beat_schedule

NUDGE_EXPIRES_SECONDS = 300
HEARTBEAT_SECONDS = 10
app = Celery("recovery-quiz", include=[f"workers.tasks.{name}" for name in QUEUES])
_held: dict[str, Services] = {}
_listening: list[NudgeListener] = []
_building = threading.Lock()


def configure(settings: Settings) -> None:
    """Configure Celery from the settings."""
    broker_url, broker_options = celery_broker(settings.broker_url)
    app.conf.update(
        broker_url=broker_url,
        broker_use_ssl={"ssl_cert_reqs": ssl.CERT_REQUIRED} if settings.broker_url.startswith("sentinels:") else None,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,  # The broker may be away for longer than any number of attempts.
        broker_heartbeat=HEARTBEAT_SECONDS,  # A silently lost RabbitMQ is noticed within two of them.
        broker_transport_options={
            "visibility_timeout": 3600,
            "socket_timeout": 5,
            "socket_connect_timeout": 2,
            **broker_options,
        },
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        task_acks_late=False,
        task_routes=routes(),
        task_default_queue="maintenance",
        # A hanging task is killed; its rows remain in the database, where the next run finds them.
        task_annotations=limits(),
        worker_prefetch_multiplier=1,
        # After a cut, RabbitMQ keeps the queue for remote control locked by the lost connection, and the worker would
        # end with ResourceLocked. Nothing here needs remote control.
        worker_enable_remote_control=False,
        worker_hijack_root_logger=False,
        worker_send_task_events=True,
        timezone="UTC",
        enable_utc=True,
        beat_schedule=beat_schedule(settings.sweep_seconds),
    )


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
        app.send_task(task, expires=NUDGE_EXPIRES_SECONDS, retry=False)
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


def sweep(task: str, run: Callable[[Services], int]) -> int:
    """Run a task and note when it last succeeded; skip it while another process runs it, if one at a time is enough."""
    here = services()
    if task not in ALONE:
        done = run(here)
    else:
        with running_alone(here.database, task) as alone:
            if not alone:
                return 0
            done = run(here)
    LAST_SWEEP.labels(task).set_to_current_time()
    return done
