"""Production refuses insecure or weak settings by name and all at once; local mode stays on this machine."""

from __future__ import annotations

import os
import secrets
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

from widget.cli import main
from widget.settings import SettingsError, read_settings
from widget.settings_checks import MIN_SECRET_BITS, strength_bits

KEY, OTHER_KEY = "Qe7_vR2xN9-bT4kLz8Wm1YcJ6hUs3PdG", "z1Kq8-Xw5Ns_3RfLb7Vt2GmHy9CdJ4Pe"


def production(home: Path, **changed: str) -> dict[str, str]:
    given = {
        "ENV": "production",
        "HOME": str(home),
        "DATABASE_URL": "postgresql://quiz:secret@db/quiz",
        "REDIS_URL": "rediss://:secret@redis",
        "SMTP_URL": "smtps://user:secret@mail.example",
        "MAIL_FROM": "hello@quiz.example",
        "PUBLIC_URL": "https://quiz.example",
        "SECRET_KEYS": KEY,
        "SUPPRESSION_KEY": OTHER_KEY,
        **changed,
    }
    return {f"RECOVERY_{name}": value for name, value in given.items()}


def test_valid_production_settings_are_accepted(tmp_path: Path) -> None:
    assert not read_settings(production(tmp_path)).local


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PUBLIC_URL", "http://quiz.example"),
        ("SMTP_URL", "smtp://user:secret@mail.example:587"),
        ("SMTP_URL", "smtp://user:secret@mail.example:587?starttls=optional"),
        ("IMAP_URL", "imap://user:secret@mail.example/INBOX"),
        ("REDIS_URL", "redis://:secret@redis.example:6379"),
        ("CACHE_URL", "redis://:secret@redis.example:6379"),
        ("BROKER_URL", "amqp://user:secret@rabbit.example"),
        ("SECRET_KEYS", "a" * 40),
        ("SECRET_KEYS", "abcdefghijklmnopqrstuvwxyz0123456789"),
        ("SECRET_KEYS", "change-me-in-production-please-now"),
        ("SECRET_KEYS", f"{KEY},secretsecretsecretsecretsecretsecret"),
        ("SUPPRESSION_KEY", "0123456789012345678901234567890123456789"),
        ("SUPPRESSION_KEY", KEY),
        ("DATABASE_URL", ""),
    ],
)
def test_weak_or_insecure_setting_is_refused_by_name(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"RECOVERY_{name}"):
        read_settings(production(tmp_path, **{name: value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SMTP_URL", "smtp://user:secret@mail.example:587?starttls=required"),
        ("SMTP_URL", "smtp://relay.example:25"),
        ("REDIS_URL", "redis://:secret@127.0.0.1:6379"),
        ("REDIS_URL", "redis://redis:6379"),
        ("IMAP_URL", "imaps://user:secret@mail.example/INBOX"),
        ("SECRET_KEYS", f"{KEY}, 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"),
    ],
)
def test_secure_setting_is_accepted(name: str, value: str, tmp_path: Path) -> None:
    read_settings(production(tmp_path, **{name: value}))


def test_random_secrets_of_common_formats_are_strong_enough() -> None:
    for _ in range(300):
        for made in (
            secrets.token_urlsafe(32),
            secrets.token_hex(16),
            secrets.token_hex(32),
            secrets.token_urlsafe(48),
        ):
            assert strength_bits(made) >= MIN_SECRET_BITS, made


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOST", "0.0.0.0"),
        ("HOST", "quiz.example"),
        ("PUBLIC_URL", "https://quiz.example"),
        ("SMTP_URL", "smtps://user:secret@mail.example"),
    ],
)
def test_local_mode_refuses_settings_for_other_machines_with_a_reason(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=rf"RECOVERY_{name}.*RECOVERY_ENV=production"):
        read_settings({"RECOVERY_ENV": "local", "RECOVERY_HOME": str(tmp_path), f"RECOVERY_{name}": value})


def test_server_without_a_mode_is_in_production(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="RECOVERY_SECRET_KEYS is missing"):
        read_settings({"RECOVERY_HOME": str(tmp_path)})


@pytest.mark.parametrize("command", ["web", "worker", "beat"])
def test_server_command_never_starts_in_local_mode_by_default(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("RECOVERY_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("RECOVERY_HOME", str(tmp_path))
    completed = CliRunner().invoke(main, [command])

    assert completed.exit_code == 2
    assert "RECOVERY_SECRET_KEYS is missing" in completed.output


def test_settings_check_command_reports_every_error_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = production(tmp_path, PUBLIC_URL="http://quiz.example", SUPPRESSION_KEY=KEY, WEB_WORKERS="0", SMTP_URL="")
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    completed = CliRunner().invoke(main, ["settings", "--check"])

    assert completed.exit_code == 1
    for name in ("PUBLIC_URL", "SUPPRESSION_KEY", "WEB_WORKERS", "SMTP_URL"):
        assert f"RECOVERY_{name}" in completed.output


def test_reading_settings_does_not_change_the_process_environment(tmp_path: Path) -> None:
    given, stop, wrong = production(tmp_path), threading.Event(), []
    os.environ["RECOVERY_TEST_PROBE"] = "here"

    def watch() -> None:
        while not stop.is_set():
            if os.environ.get("RECOVERY_TEST_PROBE") != "here":
                wrong.append(1)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for _ in range(100):
            read_settings(given)
    finally:
        stop.set()
        watcher.join()
        del os.environ["RECOVERY_TEST_PROBE"]

    assert wrong == []
