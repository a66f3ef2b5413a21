"""End-to-end tests of ``recovery-quiz run`` with real processes, including kill -9."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.packs import ROOT
from tests.support.running import Running
from widget.clock import Clock

pytestmark = [pytest.mark.xdist_group("running"), pytest.mark.timeout(180)]


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    one = Running(tmp_path / "home")
    yield one
    if one.process and one.process.poll() is None:
        one.stop()
    assert one.gone()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_command_restarts_on_the_same_data(running: Running, number: int) -> None:
    running.start()
    assert "Made for how you recover" in running.get("/demo/")
    running.order("first@shop.example")
    running.until(lambda: "how-to-use" in running.get("/mailbox/"))

    assert running.stop(number) < 5
    assert running.gone()
    running.start()
    assert "how-to-use" in running.get("/mailbox/")
    for path in ("/demo/", "/console/", "/mailbox/"):
        running.until(lambda path=path: f"{running.base}{path}" in Path(running.log.name).read_text(), 5)


def test_no_orphan_process_remains_after_kill_9(running: Running) -> None:
    running.start()
    assert len(running.children()) >= 4
    assert running.named("redis.sock")
    running.stop(signal.SIGKILL)

    assert running.gone()
    running.start()  # The data must still be usable.
    assert running.get("/readyz")


def test_killed_web_server_is_restarted(running: Running) -> None:
    running.start()
    first = running.named("web_main")
    os.kill(first, signal.SIGKILL)
    running.until(lambda: not Path(f"/proc/{first}").exists() and _answers(running))
    assert running.stop() < 5

    assert running.gone()  # No worker process of the killed server may remain either.
    assert not _answers(running)


def _answers(running: Running) -> bool:
    try:
        return bool(running.get("/healthz"))
    except OSError:
        return False


def test_port_in_use_is_named_in_the_error(running: Running) -> None:
    running.start()
    other = subprocess.run(
        [sys.executable, "-m", "widget", "run"], cwd=ROOT, env=running.environment, capture_output=True, timeout=60
    )

    assert other.returncode == 1
    assert f"Port {running.port}".encode() in other.stderr
    assert b"RECOVERY_PORT" in other.stderr


def test_emails_survive_a_killed_worker_and_an_emptied_redis(running: Running) -> None:
    """With real Celery, Redis, and SMTP, killing a worker or emptying Redis neither loses nor duplicates an email."""
    import redis

    running.start()
    for number in range(6):
        running.order(f"runner{number}@shop.example")
        if number == 2:
            os.kill(running.named("celery"), signal.SIGKILL)
        if number == 4:
            redis.Redis(unix_socket_path=str(running.home / "redis" / "redis.sock")).flushall()
    running.until(lambda: len(running.states("how-to-use")) == 6)
    running.post("/mailbox/clock")
    time.sleep(0.7)
    os.kill(running.named("celery"), signal.SIGKILL)
    # Move once: past the time after which a dead worker's emails are recovered, and well before any expires.
    clock = Clock(running.home / "clock.json")
    clock.move_to(clock.now() + timedelta(minutes=30))
    settled = ("sent", "delivery_unknown")
    running.until(lambda: sum(state in settled for state in running.states("how-to-use")) == 6, 100)
    receivers = re.findall(r"To (runner\d@shop.example)", running.get("/mailbox/"))

    assert len(receivers) == len(set(receivers))
    assert len(receivers) >= 5  # At most one may have been interrupted; it is then marked delivery_unknown.


def test_metrics_and_logs_contain_no_personal_data(running: Running) -> None:
    running.environment["RECOVERY_LOG_LEVEL"] = "info"
    running.start()
    answers = {"answers": {"area": ["calves"]}}
    request = urllib.request.Request(
        f"{running.base}/v1/shops/demo/quizzes/leg-day/responses",
        data=json.dumps(answers).encode(),
        headers={"Content-Type": "application/json"},
    )
    with pytest.raises(urllib.error.HTTPError):
        running.browser.open(request, timeout=10)
    running.order("secret@shop.example")
    metrics = urllib.request.urlopen(
        f"http://127.0.0.1:{running.environment['RECOVERY_METRICS_PORT']}/metrics", timeout=5
    ).read()
    running.stop()
    logged = Path(running.log.name).read_text()

    assert b"recovery_requests_total" in metrics
    assert '"path": "/demo/checkout"' in logged
    for secret in ("secret@shop.example", "calves"):
        assert secret not in logged
        assert secret.encode() not in metrics
