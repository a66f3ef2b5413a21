"""One production host seen from outside: metrics of each process, file permissions, and headers."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.support.packs import GOOD, ROOT
from tests.support.production import Production

pytestmark = [pytest.mark.xdist_group("production"), pytest.mark.timeout(180)]
QUIZ = "/v1/shops/strides/quizzes/leg-day"


def metrics(production: Production, above: int) -> str:
    port = int(production.environment["RECOVERY_METRICS_PORT"]) + above
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        return str(answer.read().decode())


def counted(text: str, name: str, **labels: str) -> float:
    wanted = [f'{label}="{value}"' for label, value in labels.items()]
    rows = [row for row in text.splitlines() if row.startswith(f"{name}{{") and all(item in row for item in wanted)]
    return sum(float(row.rpartition(" ")[2]) for row in rows)


def test_every_api_request_is_counted_in_the_metrics(production: Production) -> None:
    before = counted(metrics(production, 0), "recovery_requests_total", blueprint="api", status="200")
    for _ in range(25):
        production.get(QUIZ, base=production.direct)
    after = counted(metrics(production, 0), "recovery_requests_total", blueprint="api", status="200")

    assert after - before == 25


def test_starting_another_process_keeps_the_metrics_of_others(production: Production) -> None:
    """Start a second beat next to the first, in the same data folder, with a free port of its own."""
    production.get(QUIZ, base=production.direct)
    before = counted(metrics(production, 0), "recovery_requests_total", blueprint="api")
    log = (production.folder / "second-beat.log").open("wb")
    second = subprocess.Popen(
        [sys.executable, "-m", "widget", "beat"], cwd=ROOT, env=production.environment, stdout=log, stderr=log
    )
    try:
        production.until(lambda: b"metrics on" in (production.folder / "second-beat.log").read_bytes())
        assert counted(metrics(production, 0), "recovery_requests_total", blueprint="api") >= before > 0
    finally:
        second.send_signal(signal.SIGTERM)
        second.wait(timeout=20)
        log.close()


def test_worker_and_beat_serve_their_own_metrics(production: Production) -> None:
    for above in (1, 2):
        assert "# HELP" in metrics(production, above) or metrics(production, above) == ""
    folders = sorted(path.name.rpartition("-")[0] for path in (production.folder / "home" / "metrics").iterdir())

    assert set(folders) >= {"web", "worker", "beat"}


def test_data_folder_is_accessible_only_to_its_owner(production: Production) -> None:
    home = production.folder / "home"
    open_to_others = [
        str(path.relative_to(home)) for path in [home, *home.rglob("*")] if stat.S_IMODE(path.lstat().st_mode) & 0o077
    ]

    assert open_to_others == []


def test_local_database_and_secrets_are_accessible_only_to_their_owner(tmp_path: Path) -> None:
    home = tmp_path / "home"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RECOVERY_")}
    environment |= {"RECOVERY_ENV": "local", "RECOVERY_HOME": str(home)}
    command = ["sh", "-c", 'umask 000; exec "$0" -m widget shop add one --name One', sys.executable]
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}

    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert modes["recovery.db"] == 0o600
    assert modes["secrets.json"] == 0o600


def test_cached_responses_have_hsts_and_a_request_id(production: Production) -> None:
    for _ in range(2):
        with urllib.request.urlopen(production.direct + QUIZ, timeout=10) as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
        assert headers["strict-transport-security"] == "max-age=31536000"
        assert re.fullmatch(r"[0-9a-f]{10,}", headers["x-request-id"])


def test_console_content_security_policy_allows_no_external_sources(production: Production) -> None:
    with urllib.request.urlopen(f"{production.direct}/console/sign-in", timeout=10) as answer:
        policy = answer.headers["Content-Security-Policy"]
        referrer = answer.headers["Referrer-Policy"]

    assert "https:" not in policy
    assert "form-action 'self';" in policy
    assert referrer == "same-origin"


def test_stopped_server_has_stored_every_acknowledged_response(tmp_path: Path) -> None:
    """Every 201 has a row, including those of the last half second."""
    import json
    import sqlite3

    from tests.support.running import Running

    one = Running(tmp_path / "home")
    one.start()
    sent = 0
    for _ in range(60):
        body = json.dumps({"answers": GOOD}).encode()
        request = urllib.request.Request(
            f"{one.base}/v1/shops/demo/quizzes/leg-day/responses",
            data=body,
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            sent += answer.status == 201
    one.stop()
    with sqlite3.connect(one.home / "recovery.db") as database:
        (stored,) = database.execute("SELECT count(*) FROM responses").fetchone()
    database.close()

    assert (sent, stored) == (60, 60)
    assert one.gone()
