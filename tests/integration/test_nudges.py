"""Nudges: tasks start at once after a commit, never after a rollback, and without Redis at the next sweep."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import RedisError
from sqlalchemy import select

from tests.support.console_forms import client_in, post
from tests.support.packs import ROOT
from tests.support.private_redis import PrivateRedis
from widget.cache.shared import NUDGES, SharedCache
from widget.nudges import EMAILS, WEBHOOKS, nudge
from widget.services import Services
from widget.storage.outbox import PLANNED, OutboxMessage
from workers.nudges import SPACING_SECONDS, TASKS, NudgeListener

pytestmark = pytest.mark.xdist_group("redis")


def until(holds: Callable[[], Any], seconds: float = 20) -> Any:
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "the condition did not come true"
        time.sleep(0.01)
    return found


class Sent:
    """A recorder of the tasks that a listener sends."""

    def __init__(self) -> None:
        self.tasks: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, task: str) -> None:
        with self._lock:
            self.tasks.append(task)


def subscribers(cache: SharedCache) -> int:
    """Return how many processes listen; 0 if Redis does not answer in time, as on a busy machine."""
    try:
        return cache.subscribers(NUDGES)
    except RedisError:
        return 0


@pytest.fixture
def shared(redis_server: PrivateRedis) -> Iterator[Callable[[], SharedCache]]:
    """Return a factory of shared caches, each as opened by one process of a host."""
    opened: list[SharedCache] = []

    def make() -> SharedCache:
        opened.append(SharedCache(redis_server(), prefix="rq:test"))
        return opened[-1]

    yield make
    for cache in opened:
        cache.close()


@pytest.fixture
def listening(shared: Callable[[], SharedCache]) -> Iterator[Callable[[Sent], NudgeListener]]:
    started: list[NudgeListener] = []

    def start(sent: Sent) -> NudgeListener:
        cache = shared()
        listener = NudgeListener(cache, sent)
        listener.start()
        started.append(listener)
        until(lambda: subscribers(cache) >= len(started))
        return listener

    yield start
    for listener in started:
        listener.stop()


def test_commit_publishes_one_nudge_per_queue_and_rollback_none(
    make_services: Callable[..., Services], sqlite_url: str, redis_server: PrivateRedis
) -> None:
    services, heard = make_services(sqlite_url, redis_server()), list[str]()
    services.shared.subscribe(NUDGES, lambda message: heard.append(message.partition("/")[0]))
    until(lambda: subscribers(services.shared))
    with services.sessions() as session:
        session.execute(select(OutboxMessage))
        nudge(session, WEBHOOKS)
        session.rollback()
        session.commit()
    with services.sessions.begin() as session:
        nudge(session, EMAILS)
        nudge(session, EMAILS)
        assert heard == []
    until(lambda: heard)

    assert heard == [EMAILS]


def test_only_one_of_two_listening_hosts_sends_the_task(
    listening: Callable[[Sent], NudgeListener], shared: Callable[[], SharedCache]
) -> None:
    sent = Sent()
    listening(sent)
    listening(sent)
    shared().publish(NUDGES, f"{WEBHOOKS}/one")
    until(lambda: sent.tasks)
    shared().publish(NUDGES, f"{WEBHOOKS}/two")
    until(lambda: len(sent.tasks) >= 2)

    assert sent.tasks == ["process_webhooks", "process_webhooks"]


def test_many_nudges_are_coalesced_and_the_last_one_sends_a_task(
    listening: Callable[[Sent], NudgeListener], shared: Callable[[], SharedCache]
) -> None:
    sent, cache, started = Sent(), shared(), time.monotonic()
    listening(sent)
    for number in range(300):
        cache.publish(NUDGES, f"{WEBHOOKS}/{number}")
    before_last = len(sent.tasks)
    cache.publish(NUDGES, f"{WEBHOOKS}/last")
    until(lambda: len(sent.tasks) > before_last)

    assert len(sent.tasks) <= (time.monotonic() - started) / SPACING_SECONDS + 2


def test_every_task_that_a_nudge_names_exists() -> None:
    from workers.app import app

    app.loader.import_default_modules()
    assert {task for tasks in TASKS.values() for task in tasks} <= set(app.tasks)


@pytest.fixture
def worker(tmp_path: Path, sqlite_url: str, redis_server: PrivateRedis) -> Iterator[Callable[[], None]]:
    """Return a function that starts ``recovery-quiz worker``: without beat, only a nudge starts a task."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "RECOVERY_ENV": "local",
        "RECOVERY_HOME": str(tmp_path / "home"),
        "RECOVERY_DATABASE_URL": sqlite_url,
        "RECOVERY_REDIS_URL": redis_server(),
        "RECOVERY_SECRET_KEYS": "test-key-one-0123456789-abcdefghij",
        "RECOVERY_SUPPRESSION_KEY": "test-suppression-0123456789-abcdef",
    }
    started: list[subprocess.Popen[bytes]] = []

    def start() -> None:
        with (tmp_path / "worker.log").open("wb") as log:
            command = [sys.executable, "-m", "widget", "worker"]
            started.append(subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log))

    yield start
    for process in started:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


def test_invitation_is_sent_at_once_without_a_sweep(
    make_services: Callable[..., Services], sqlite_url: str, redis_server: PrivateRedis, worker: Callable[[], None]
) -> None:
    services = make_services(sqlite_url, redis_server())
    worker()
    until(lambda: subscribers(services.shared), 60)
    client = client_in(services)
    post(client, "/console/shops/demo/team", email="eda@store.example", name="", role="viewer")

    def state() -> str:
        with services.reads() as session:
            return str(session.scalars(select(OutboxMessage.state)).one())

    assert until(lambda: state() != PLANNED, 30)  # No mail server is listening: an attempt is enough.
