"""A small run of `tests/load/kill.py`: every email of a killed worker is sent once, failed, or listed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.load.emails import SinkProcess, plan_emails
from tests.load.kill import kill_test, plain_workers
from tests.support.services import settings_for
from widget.services import Services, build_services

pytestmark = [pytest.mark.xdist_group("running"), pytest.mark.timeout(180)]


def test_killed_workers_neither_duplicate_nor_lose_an_email(
    services: Services, database_url: str, tmp_path: Path
) -> None:
    sink = SinkProcess(refuse=0.05)
    settings = replace(settings_for(tmp_path, database_url), smtp_url=sink.url)
    mine = build_services(settings)
    plan_emails(mine, 200)
    try:
        with plain_workers(settings, 3) as workers:
            outcome = kill_test(mine, workers, sink, emails=200, kills=6, seconds=120)
    finally:
        mine.close()
        sink.close()

    assert outcome.kills == 6
    assert outcome.kept, outcome
    assert outcome.states["sent"] >= 200 - 6


def test_kill_test_detects_duplicated_and_lost_emails(sqlite_services: Services) -> None:
    """The kill test can fail: it counts an email sent twice as doubled and an unsent one as lost."""
    import smtplib

    from tests.load.kill import _counted
    from widget.domain.email.sequence import SENT
    from widget.storage.emails import Email

    sink = SinkProcess()
    plan_emails(sqlite_services, 2)
    with sqlite_services.sessions.begin() as session:
        for number in (1, 2):
            row = session.get_one(Email, number)
            row.state, row.message_id = SENT, f"<{number}@shop.example>"
    with smtplib.SMTP("127.0.0.1", sink.port) as line:
        for _ in range(2):
            line.sendmail("a@shop.example", ["b@shop.example"], b"Message-ID: <1@shop.example>\r\n\r\nHi\r\n")
    outcome = _counted(sqlite_services, sink, 2, 0)
    sink.close()

    assert (outcome.doubled, outcome.lost, outcome.kept) == (1, 1, False)
