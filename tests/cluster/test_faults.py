"""Faults of a network between hosts: packets dropped without a word."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.cluster.hosts import DATA, POSTGRES, RABBITMQ, REDIS, Hosts, may_make_hosts
from tests.support.database import PostgresCopies, rows
from tests.support.orders import webhook, webhook_secret
from tests.support.services import settings_for
from widget.services import Services, build_services
from widget.storage.responses import Response
from widget.storage.webhook_deliveries import WebhookDelivery

pytestmark = [
    pytest.mark.xdist_group("cluster"),
    pytest.mark.timeout(300),
    pytest.mark.skipif(not may_make_hosts(), reason="network namespaces need root"),
]
SECONDS = float(os.environ.get("TEST_CLUSTER_SECONDS", "12"))
"""How long PostgreSQL is gone."""
WIDGET = (sys.executable, "-m", "widget")
PORT = 8080
BASE = f"http://127.0.0.1:{PORT}"
"""The service as its own host sees it: local mode listens on loopback only."""


@pytest.fixture
def hosts(tmp_path: Path, postgres_copies: PostgresCopies) -> Iterator[Hosts]:
    with postgres_copies.one() as url:
        one = Hosts(tmp_path, url)
        try:
            one.start()
            one.wait_for_port(POSTGRES)
            one.wait_for_port(REDIS)
            yield one
        finally:
            one.stop()


@pytest.fixture
def outside(hosts: Hosts, tmp_path: Path) -> Iterator[Services]:
    """Services of the test itself, which reach the database whatever happens between the hosts."""
    services = build_services(settings_for(tmp_path, hosts.postgres))
    yield services
    services.close()


def environment(hosts: Hosts, home: str, services: Services) -> dict[str, str]:
    return {
        "RECOVERY_ENV": "local",
        "RECOVERY_HOME": str(hosts.folder / home),
        "RECOVERY_DATABASE_URL": hosts.database_url,
        "RECOVERY_REDIS_URL": f"redis://{DATA}:{REDIS}",
        "RECOVERY_BROKER_URL": f"redis://{DATA}:{REDIS}",
        "RECOVERY_SECRET_KEYS": services.settings.secret_keys[0],
        "RECOVERY_SUPPRESSION_KEY": services.settings.suppression_key,
        "RECOVERY_PORT": str(PORT),
        "RECOVERY_PUBLIC_URL": BASE,
        "RECOVERY_SWEEP_SECONDS": "1",
    }


def waiting(services: Services) -> int:
    with services.reads() as session:
        query = select(func.count()).select_from(WebhookDelivery).where(WebhookDelivery.state == "waiting")
        return int(session.scalar(query) or 0)


def celery_processes(hosts: Hosts) -> set[int]:
    found = set()
    for pid in hosts.pids(hosts.app):
        command = Path(f"/proc/{pid}/cmdline")
        if command.exists() and b"celery" in command.read_bytes():
            found.add(pid)
    return found


def test_workers_outlive_a_silent_rabbitmq(hosts: Hosts, outside: Services) -> None:
    """They ended with ResourceLocked, and a second worker of the same host name could not start at all."""
    hosts.start_rabbitmq()
    broker = {"RECOVERY_BROKER_URL": f"amqp://guest:guest@{DATA}:{RABBITMQ}//"}
    for home in ("one", "two"):
        hosts.run_on_app(*WIDGET, "worker", "--processes", "1", **{**environment(hosts, home, outside), **broker})
    hosts.run_on_app(*WIDGET, "beat", **{**environment(hosts, "beat", outside), **broker})
    webhook(outside, order="1")
    hosts.until(lambda: not waiting(outside), 60)
    before = celery_processes(hosts)

    hosts.drop(RABBITMQ)
    webhook(outside, order="2")
    # A heartbeat of 10 seconds is missed twice before a side gives up; the workers must have met that.
    hosts.until(lambda: "missed" in hosts.logs() or "Connection to broker lost" in hosts.logs(), 60)
    hosts.let_through(RABBITMQ)

    hosts.until(lambda: not waiting(outside), 60)
    assert celery_processes(hosts) == before, hosts.logs()
    assert {row.state for row in rows(outside, WebhookDelivery)} == {"done"}


def test_shoppers_notice_nothing_of_a_silent_database(hosts: Hosts, outside: Services) -> None:
    """Packets are dropped for a while: what is known is answered, what must be stored is refused and comes again."""
    hosts.run_on_app(*WIDGET, "web", **environment(hosts, "web", outside))
    hosts.wait_for_port(PORT, 60, address="127.0.0.1")
    secret = webhook_secret(outside)
    calm = load(hosts, 2, secret)
    assert {kind: set(found["statuses"]) for kind, found in calm.items()} == {
        "quiz": {"200"},
        "page": {"200"},
        "alive": {"200"},
        "answers": {"201"},
        "webhook": {"200"},
    }

    hosts.drop(POSTGRES)
    gone = load(hosts, SECONDS, secret)
    hosts.let_through(POSTGRES)
    print(json.dumps({kind: summary(found) for kind, found in gone.items()}, indent=1))

    for kind in ("quiz", "page", "alive"):
        assert set(gone[kind]["statuses"]) == {"200"}, (kind, gone[kind]["statuses"])
    assert set(gone["answers"]["statuses"]) <= {"201", "503"}
    assert set(gone["webhook"]["statuses"]) == {"503"}
    assert gone["webhook"]["retry_after"] != ["None"]
    hosts.until(lambda: set(load(hosts, 1, secret)["webhook"]["statuses"]) == {"200"}, 20)
    acknowledged = sum(found["answers"]["statuses"].get("201", 0) for found in (calm, gone))
    hosts.until(lambda: stored(outside) >= acknowledged, 20)


def load(hosts: Hosts, seconds: float, secret: str) -> dict[str, Any]:
    command = (sys.executable, "-m", "tests.cluster.shopper", BASE, str(seconds), secret)
    return dict(json.loads(hosts.output_on_app(*command, seconds=seconds + 60)))


def summary(found: dict[str, Any]) -> dict[str, Any]:
    took = found["milliseconds"]
    return {
        "statuses": found["statuses"],
        "median": took[len(took) // 2],
        "p99": took[int(len(took) * 0.99)],
        "most": took[-1],
    }


def stored(services: Services) -> int:
    with services.reads() as session:
        return int(session.scalar(select(func.count()).select_from(Response)) or 0)
