"""Settings: types, and errors at startup that name the setting."""

from __future__ import annotations

from pathlib import Path

import pytest

from widget.settings import SettingsError, described, read_settings

STRONG = "Qe7_vR2xN9-bT4kLz8Wm1YcJ6hUs3PdG"
STRONGER = "z1Kq8-Xw5Ns_3RfLb7Vt2GmHy9CdJ4Pe"


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
def test_invalid_setting_is_refused_by_name(name: str, value: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings({"RECOVERY_ENV": "local", "RECOVERY_HOME": str(tmp_path), f"RECOVERY_{name}": value})

    assert name in str(error.value)


def test_production_names_all_missing_settings(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as error:
        read_settings({"RECOVERY_HOME": str(tmp_path), "RECOVERY_ENV": "production"})

    for name in ("DATABASE_URL", "REDIS_URL", "SMTP_URL", "MAIL_FROM", "PUBLIC_URL", "SECRET_KEYS", "SUPPRESSION_KEY"):
        assert f"RECOVERY_{name}" in str(error.value)


def test_local_mode_creates_its_secrets_once_readable_by_the_owner_only(tmp_path: Path) -> None:
    first = read_settings({"RECOVERY_ENV": "local", "RECOVERY_HOME": str(tmp_path)})
    second = read_settings({"RECOVERY_ENV": "local", "RECOVERY_HOME": str(tmp_path)})

    assert (first.secret_keys, first.suppression_key) == (second.secret_keys, second.suppression_key)
    assert (tmp_path / "secrets.json").stat().st_mode & 0o777 == 0o600


PROVIDER = {
    "RECOVERY_OIDC_ISSUER": "https://accounts.example",
    "RECOVERY_OIDC_CLIENT_ID": "recovery-quiz",
    "RECOVERY_OIDC_CLIENT_SECRET": "hush",
}


@pytest.mark.parametrize("name", sorted(PROVIDER))
def test_incomplete_oidc_settings_are_refused_by_name(name: str, tmp_path: Path) -> None:
    given = {"RECOVERY_ENV": "local", "RECOVERY_HOME": str(tmp_path), **PROVIDER}
    assert read_settings(given).oidc_issuer == "https://accounts.example"
    with pytest.raises(SettingsError, match=name):
        read_settings({**given, name: ""})


@pytest.mark.parametrize(
    ("issuer", "good"),
    [
        ("http://127.0.0.1:9", True),
        ("http://accounts.example", False),
        ("https://", False),
        ("accounts.example", False),
        ("https://[", False),
    ],
)
def test_oidc_issuer_must_use_https_except_on_loopback(issuer: str, good: bool, tmp_path: Path) -> None:
    given = {"RECOVERY_ENV": "local", "RECOVERY_HOME": str(tmp_path), **PROVIDER, "RECOVERY_OIDC_ISSUER": issuer}
    if good:
        assert read_settings(given).oidc_issuer == issuer
    else:
        with pytest.raises(SettingsError, match="OIDC_ISSUER"):
            read_settings(given)


def test_production_requires_https_for_the_oidc_issuer(tmp_path: Path) -> None:
    given = {
        "RECOVERY_ENV": "production",
        "RECOVERY_HOME": str(tmp_path),
        "RECOVERY_DATABASE_URL": "postgresql://x/y",
        "RECOVERY_REDIS_URL": "redis://x",
        "RECOVERY_SMTP_URL": "smtp://x",
        "RECOVERY_MAIL_FROM": "hello@quiz.example",
        "RECOVERY_PUBLIC_URL": "https://quiz.example",
        "RECOVERY_SECRET_KEYS": STRONG,
        "RECOVERY_SUPPRESSION_KEY": STRONGER,
        **PROVIDER,
    }
    assert read_settings(given).oidc_client_id == "recovery-quiz"
    with pytest.raises(SettingsError, match="OIDC_ISSUER"):
        read_settings({**given, "RECOVERY_OIDC_ISSUER": "http://127.0.0.1:9"})


def test_oidc_without_its_packages_reports_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("widget.settings_checks.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match=r"pip install 'recovery-quiz\[oidc\]'"):
        read_settings({"RECOVERY_ENV": "local", "RECOVERY_HOME": str(tmp_path), **PROVIDER})
    assert read_settings({"RECOVERY_ENV": "local", "RECOVERY_HOME": str(tmp_path)}).oidc_issuer == ""


def test_oidc_client_secret_is_not_shown(tmp_path: Path) -> None:
    given = {"RECOVERY_ENV": "local", "RECOVERY_HOME": str(tmp_path), **PROVIDER}
    rows = {row["name"]: row["value"] for row in described(read_settings(given), given)}

    assert rows["RECOVERY_OIDC_ISSUER"] == "https://accounts.example"
    assert rows["RECOVERY_OIDC_CLIENT_SECRET"] == "(set)"
