"""The dashboard's and the alerts' queries, run by a real Prometheus that scrapes the real service."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.packs import GOOD, ROOT
from tests.support.running import Running
from tests.support.services import free_port

pytestmark = [pytest.mark.xdist_group("running"), pytest.mark.timeout(180)]
DASHBOARD = json.loads((ROOT / "infra" / "grafana" / "recovery-quiz.json").read_text())
ALERTS = yaml.safe_load((ROOT / "infra" / "prometheus" / "alerts.yaml").read_text())
SECONDS = 60.0
Query = Callable[[str], list[dict[str, Any]]]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    one = Running(tmp_path_factory.mktemp("dashboard") / "home")
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def query(service: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Query]:
    """Yield a function that runs a query in a Prometheus that scrapes the service."""
    folder, port = tmp_path_factory.mktemp("prometheus"), free_port()
    config = yaml.safe_load((ROOT / "infra" / "prometheus" / "scrape.yaml").read_text())
    job = config["scrape_configs"][0]
    job["scrape_interval"] = "1s"
    job["static_configs"] = [{"targets": [f"127.0.0.1:{service.environment['RECOVERY_METRICS_PORT']}"]}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)

    def ask(expression: str) -> list[dict[str, Any]]:
        address = f"http://127.0.0.1:{port}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            data = json.load(answer)
        assert data["status"] == "success", data
        return list(data["data"]["result"])

    yield ask
    process.terminate()
    process.wait(20)
    assert Path(folder, "log").exists()


def until(holds: Callable[[], Any]) -> Any:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            if found := holds():
                return found
        except OSError:
            pass
        time.sleep(0.3)
    raise AssertionError("it did not come to that")


@pytest.fixture(scope="module")
def busy(service: Running, query: Query) -> Query:
    """Let a shopper order, and return the query function once Prometheus knows of it."""
    service.get("/demo/")
    body = json.dumps({"answers": GOOD}).encode()
    address = f"{service.base}/v1/shops/demo/quizzes/leg-day/responses"
    request = urllib.request.Request(address, data=body, headers={"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=10).close()
    service.order("dashboard@shop.example")
    service.until(lambda: service.states("how-to-use"))
    service.post("/mailbox/clock")
    until(lambda: len(query('recovery_emails_total{state="sent"}')))
    until(lambda: len(query("rate(recovery_requests_total[1m])")))
    return query


QUIET = {"recovery_responses_sampled", "recovery_responses_lost", "recovery_cache_failures", "recovery_email_events"}
QUIET |= {"recovery_bounce_messages"}
"""Metrics of what has not happened here: their queries must be valid and may have no series."""


@pytest.mark.parametrize("panel", DASHBOARD["panels"], ids=lambda panel: panel["title"])
def test_panel_shows_something_while_the_service_runs(busy: Query, panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        found = busy(target["expr"].replace("$__rate_interval", "1m"))
        assert found or any(name in target["expr"] for name in QUIET) or "5.." in target["expr"], target["expr"]


@pytest.mark.parametrize("rule", ALERTS["groups"][0]["rules"], ids=lambda rule: rule["alert"])
def test_alert_is_quiet_on_a_healthy_service(busy: Query, rule: dict[str, Any]) -> None:
    assert busy(rule["expr"]) == []
