"""What a quiz, an order, and an email cost in processor time and disk space on PostgreSQL, for infra/capacity.md.

``python -m tests.load.capacity``: takes two minutes. Processor time is that of our process and of PostgreSQL's.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text

from tests.load.bench import fresh_postgres
from tests.load.emails import SinkProcess, plan_emails
from tests.support.orders import webhook
from tests.support.packs import GOOD
from tests.support.services import client_of, demo_shop, settings_for
from widget.actions.emails.send_email import send_due_emails
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.services import Services, build_services
from widget.telemetry import start_logs

QUIZZES, ORDERS, EMAILS = 20_000, 1000, 5000
TICKS = os.sysconf("SC_CLK_TCK")
TABLES = {
    "quiz": ("responses",),
    "order": ("orders", "contacts", "webhook_deliveries", "consents"),
    "email": ("emails",),
}


def postgres_seconds() -> float:
    """Return the processor time of all PostgreSQL processes of this machine."""
    total = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.joinpath("comm").read_text().startswith("postgres"):
                fields = folder.joinpath("stat").read_text().rpartition(")")[2].split()
                total += sum(int(field) for field in fields[11:15])  # Its own time and that of ended children.
        except OSError:
            continue
    return total / TICKS


def stored(services: Services, kind: str) -> tuple[int, int]:
    """Return (bytes on disk, rows of the main table)."""
    names = TABLES[kind]
    with services.database.connect() as connection:
        sizes = [int(connection.scalar(text(f"SELECT pg_total_relation_size('{name}')")) or 0) for name in names]
        rows = int(connection.scalar(text(f"SELECT count(*) FROM {names[0]}")) or 0)  # Our own names.
    return sum(sizes), rows


def measured(services: Services, kind: str, number: int, work: Callable[[], None], before: tuple[int, int]) -> str:
    ours, theirs, started = time.process_time(), postgres_seconds(), time.monotonic()
    work()
    took = time.monotonic() - started
    ours, theirs = time.process_time() - ours, postgres_seconds() - theirs
    # Of many responses in a second, only a sample is stored one by one: the counts are complete, the rows are not.
    grew, rows = (after - start for after, start in zip(stored(services, kind), before, strict=True))
    disk = grew / max(1, rows)
    milliseconds = f"{ours / number * 1000:.2f} | {theirs / number * 1000:.2f}"
    return f"| {kind} | {milliseconds} | {disk:,.0f} | {number / took:,.0f} |"


def main() -> None:
    start_logs("warning")
    print("| | our ms | PostgreSQL ms | bytes on disk | per second, one process |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name, fresh_postgres(Path(name)) as url:
        sink, folder = SinkProcess(), Path(name) / "home"
        folder.mkdir()
        demo_shop(folder, url)
        services = build_services(replace(settings_for(folder, url), smtp_url=sink.url, client_rate=0))
        client = client_of(services)

        def quizzes() -> None:
            for _ in range(QUIZZES):
                answer = client.post("/v1/shops/demo/quizzes/leg-day/responses", json={"answers": GOOD})
                assert answer.status_code == 201, answer.text
            services.recorder.flush()

        def orders() -> None:
            for number in range(ORDERS):
                webhook(services, order=f"capacity-{number}", email=f"buyer{number}@shop.example")
                if number % 50 == 49:
                    process_webhooks(services)

        def emails() -> None:
            while send_due_emails(services, seconds=10):
                pass

        print(measured(services, "quiz", QUIZZES, quizzes, stored(services, "quiz")))
        print(measured(services, "order", ORDERS, orders, stored(services, "order")))
        before = stored(services, "email")
        plan_emails(services, EMAILS)
        print(measured(services, "email", EMAILS, emails, before))
        services.close()
        sink.close()


if __name__ == "__main__":
    main()
