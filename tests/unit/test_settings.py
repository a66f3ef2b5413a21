"""Settings: typed, and refused at start by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from widget.settings import SettingsError, read_settings

STRONG = "k3y-with-32-characters-or-more-abcdef"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ENV", "prod"),
        ("PORT", "99999"),
        ("PORT", "abc"),
        ("METRICS_PORT", "8000"),
        ("DATABASE_URL", "mysql://x/y"),
        ("REDIS_URL", "http://x"),
        ("SMTP_URL", "foo"),
        ("MAIL_FROM", "nobody"),
        ("PUBLIC_URL", "quiz.example"),
        ("SECRET_KEYS", "short"),
        ("SUPPRESSION_KEY", "a" * 40),
        ("SWEEP_SECONDS", "-1"),
        ("WEB_WORKERS", "0"),
        ("LOG_LEVEL", "loud"),
        ("TRUSTED_PROXIES", "-1"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings({"RECOVERY_HOME": str(tmp_path), f"RECOVERY_{name}": value})

    assert name in str(error.value)


def test_production_names_everything_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings({"RECOVERY_HOME": str(tmp_path), "RECOVERY_ENV": "production"})

    for name in ("DATABASE_URL", "REDIS_URL", "SMTP_URL", "MAIL_FROM", "PUBLIC_URL", "SECRET_KEYS", "SUPPRESSION_KEY"):
        assert f"RECOVERY_{name}" in str(error.value)


def test_the_embedded_default_makes_its_secrets_once_for_its_owner_only(tmp_path: Path) -> None:
    first = read_settings({"RECOVERY_HOME": str(tmp_path)})
    second = read_settings({"RECOVERY_HOME": str(tmp_path)})

    assert (first.secret_keys, first.suppression_key) == (second.secret_keys, second.suppression_key)
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600
