"""`db upgrade` while the service runs: nothing fails, and a migration keeps the code before it working."""

from __future__ import annotations

import ast
import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tests.load.emails import plan_emails
from tests.support.database import rows
from tests.support.emails import with_transport
from tests.support.orders import webhook
from tests.support.packs import GOOD
from tests.support.services import client_of
from widget.actions.emails.send_email import send_due_emails
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.email.transport import MemoryTransport
from widget.services import Services
from widget.storage import migrate
from widget.storage.emails import Email
from widget.storage.orders import Order
from widget.storage.responses import Response

MIGRATIONS = sorted((Path(migrate.__file__).parent / "migrations" / "versions").glob("*.py"))
ADDS = {"create_table", "create_index", "drop_index", "get_bind", "f", "batch_alter_table"}
"""Operations that code which does not know of them survives; ``add_column`` only with a default or NULL."""


def test_upgrade_while_the_service_runs_fails_nothing(services: Services) -> None:
    migrate.downgrade(services.database, "0001")
    plan_emails(services, 200)
    with_transport(services, MemoryTransport())
    failures: list[object] = []
    over = threading.Event()

    def until_over(do: Callable[[int], object]) -> Callable[[], None]:
        def work() -> None:
            number = 0
            while not over.is_set() or number < 3:
                number += 1
                try:
                    do(number)
                except Exception as error:  # Each failure is one too many.
                    failures.append(error)

        return work

    def answer(number: int) -> None:
        body = {"answers": GOOD}
        found = client_of(services).post("/v1/shops/demo/quizzes/leg-day/responses", json=body)
        assert found.status_code == 201, found.text

    def order(number: int) -> None:
        webhook(services, order=f"rolling-{number}", email=f"runner{number}@shop.example")
        process_webhooks(services)

    work = [until_over(answer), until_over(order), until_over(lambda _: send_due_emails(services, seconds=0.2))]
    threads = [threading.Thread(target=one) for one in work]
    for thread in threads:
        thread.start()
    migrate.upgrade(services.database)
    over.set()
    for thread in threads:
        thread.join(60)
    services.recorder.flush()
    send_due_emails(services)
    services.clock.move_to(services.now() + timedelta(minutes=10))  # What waited for a lock too long is tried again.
    process_webhooks(services)

    assert failures == []
    assert not migrate.drift(services.database)
    assert rows(services, Response)
    assert len([row for row in rows(services, Order) if row.external_id.startswith("rolling-")]) >= 3
    planned = [row for row in rows(services, Email) if not row.trigger_id.startswith("rolling-")]
    assert Counter(row.state for row in planned) == {"sent": 200}


@pytest.mark.parametrize(
    "file", [path for path in MIGRATIONS if not path.name.startswith("0001")], ids=lambda p: p.stem
)
def test_migration_keeps_the_code_before_it_working(file: Path) -> None:
    """While hosts are upgraded one by one, the old code runs on the new schema."""
    tree = ast.parse(file.read_text())
    up = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    assert _breaking(up) == []


def test_migration_that_breaks_old_code_is_found() -> None:
    text = 'def upgrade():\n    op.drop_column("emails", "answer")\n    op.add_column("emails", sa.Column("x", sa.Text()))\n'
    node = ast.parse(text).body[0]
    assert isinstance(node, ast.FunctionDef)
    assert _breaking(node) == ["drop_column"]

    strict = 'def upgrade():\n    op.add_column("emails", sa.Column("x", sa.Text(), nullable=False))\n'
    node = ast.parse(strict).body[0]
    assert isinstance(node, ast.FunctionDef)
    assert _breaking(node) == ["add_column without a default"]


def _breaking(function: ast.FunctionDef) -> list[str]:
    found = []
    for call in ast.walk(function):
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
            continue
        if not (isinstance(call.func.value, ast.Name) and call.func.value.id in ("op", "batch_op")):
            continue
        name = call.func.attr
        if name == "add_column":
            words = {
                word.arg: ast.unparse(word.value)
                for inner in ast.walk(call)
                if isinstance(inner, ast.Call)
                for word in inner.keywords
            }
            if words.get("nullable") == "False" and "server_default" not in words:
                found.append("add_column without a default")
        elif name not in ADDS:
            found.append(name)
    return found
