"""How the workers share the work: queues, limits, one sweep at a time, and when each last succeeded."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from widget.cli import main
from widget.commands.serve import OTHER_QUEUES, WEBHOOK_QUEUE
from widget.commands.supervisor import STOPPING, Program, Supervisor
from widget.services import Services
from widget.settings import DESCRIBED
from widget.storage.database import open_database
from widget.storage.running_alone import running_alone
from widget.telemetry import REGISTRY
from workers import app as workers_app
from workers.queues import OTHERS, QUEUES, WEBHOOKS
from workers.schedule import beat_schedule

A_DAY = 24 * 3600


def test_job_runs_on_one_process_at_a_time(services: Services, database_url: str) -> None:
    """Two engines are two processes to PostgreSQL; SQLite has one host, where an engine belongs to one process."""
    elsewhere = open_database(database_url) if services.database.dialect.name == "postgresql" else services.database
    job = "import_feeds"
    with (
        running_alone(services.database, job) as first,
        running_alone(elsewhere, job) as second,
        running_alone(elsewhere, "purge_expired") as other,
    ):
        assert (first, second, other) == (True, False, True)
    with running_alone(elsewhere, "import_feeds") as later:
        assert later
    if elsewhere is not services.database:
        elsewhere.dispose()


def test_sweep_is_skipped_while_it_runs_elsewhere_and_notes_when_it_succeeded(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(workers_app._held, "services", services)
    running, finish, done = threading.Event(), threading.Event(), []

    def slow(_: Services) -> int:
        running.set()
        finish.wait(10)
        return 7

    worker = threading.Thread(target=lambda: done.append(workers_app.sweep("purge_expired", slow)))
    worker.start()
    running.wait(10)
    skipped = workers_app.sweep("purge_expired", lambda _: pytest.fail("it runs already"))
    finish.set()
    worker.join(10)

    assert (skipped, done) == (0, [7])
    assert (
        REGISTRY.get_sample_value("recovery_sweep_last_success_timestamp_seconds", {"task": "purge_expired"}) or 0
    ) > 1_700_000_000


def test_failed_sweep_is_not_noted_as_a_success(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(workers_app._held, "services", services)

    def fails(_: Services) -> int:
        raise OSError

    def noted() -> float | None:
        return REGISTRY.get_sample_value("recovery_sweep_last_success_timestamp_seconds", {"task": "publish_due"})

    before = noted()
    with pytest.raises(OSError):  # noqa: PT011  # The very error of the sweep.
        workers_app.sweep("publish_due", fails)

    assert noted() == before


def test_every_task_has_one_queue_with_limits() -> None:
    workers_app.app.loader.import_default_modules()
    ours = {name for name in workers_app.app.tasks if not name.startswith("celery.")}
    queued = [task for queue in QUEUES.values() for task in queue.tasks]

    assert sorted(queued) == sorted(ours)
    assert all(0 < queue.soft < queue.hard for queue in QUEUES.values())
    assert (WEBHOOK_QUEUE, OTHER_QUEUES) == (WEBHOOKS, OTHERS)


def test_idle_installation_sends_fewer_than_20_000_messages_a_day() -> None:
    default = next(item.default for item in DESCRIBED if item.name == "SWEEP_SECONDS")
    schedule = beat_schedule(float(default))

    assert sum(A_DAY / entry["schedule"] for entry in schedule.values()) < 20_000


def test_worker_refuses_a_queue_that_does_not_exist() -> None:
    answer = CliRunner().invoke(main, ["worker", "--queues", "emails,parcels"])

    assert answer.exit_code == 2
    assert "no queue parcels" in answer.output


@pytest.fixture
def signals() -> Iterator[None]:
    """Put the signal handlers of this process back, which a supervisor replaces."""
    before = {number: signal.getsignal(number) for number in STOPPING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("stop_seconds", "finished"), [(15.0, True), (1.0, False)])
def test_worker_may_finish_what_it_does_before_it_is_killed(
    signals: None, tmp_path: Path, stop_seconds: float, finished: bool
) -> None:
    started, done = tmp_path / "started", tmp_path / "done"
    code = (
        "import pathlib, signal, sys, time\n"
        f"def stop(*_): time.sleep(2); pathlib.Path({str(done)!r}).touch(); sys.exit()\n"
        f"signal.signal(signal.SIGTERM, stop); pathlib.Path({str(started)!r}).touch(); time.sleep(60)"
    )
    supervisor = Supervisor(os.environ, stop_seconds=stop_seconds)
    supervisor.start(Program("slow", [sys.executable, "-c", code]))
    end = time.monotonic() + 20
    while not started.exists() and time.monotonic() < end:
        time.sleep(0.02)
    supervisor.shut_down()

    assert started.exists()
    assert done.exists() is finished
