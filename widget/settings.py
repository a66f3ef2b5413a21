"""Settings from the environment: typed, read once, and validated at startup with clear messages."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from environs import Env, EnvError

from widget.private_files import private_folder

PREFIX = "RECOVERY_"
PRODUCTION, LOCAL = "production", "local"
MAIL = ("MAIL_RATE", "IMAP_URL", "DKIM_KEY_FILE", "DKIM_SELECTOR")
RATE = re.compile(r"([1-9]\d{0,8})/(second|minute|hour|day)")
_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
OIDC = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")
MADE_ONCE = ("SECRET_KEYS", "SUPPRESSION_KEY")
SECRETS_FILE = "secrets.json"
"""The file in the data folder that holds them in local mode."""
REPOSITORY = Path(__file__).resolve().parent.parent


class SettingsError(ValueError):
    """A setting that is missing or invalid; the message names it."""


@dataclass(frozen=True, slots=True)
class Described:
    """The description of a setting, for operators."""

    name: str
    meaning: str
    default: str = ""
    secret: bool = False


DESCRIBED = (
    Described(
        "ENV",
        "production rejects missing or weak settings; local (one machine, loopback only) generates them",
        "production for `web`, `worker`, and `beat`, else local",
    ),
    Described("HOME", "data folder: database, secrets, mailbox, private Redis", "./var"),
    Described("DATABASE_URL", "sqlite:///… or postgresql://…", "SQLite in HOME", secret=True),
    Described(
        "REDIS_URL",
        "Redis for cache, rate limits, and counters: redis://…, rediss://…, unix://…, or, behind Sentinel, "
        "sentinel://:password@host:26379,host:26379/name (sentinels://… with TLS); Redis Cluster is not supported",
        "a private Redis, started by run",
        secret=True,
    ),
    Described(
        "CACHE_URL",
        "separate Redis for cached results, with maxmemory and allkeys-lru",
        "REDIS_URL, with a bounded number of entries",
        secret=True,
    ),
    Described(
        "BROKER_URL",
        "Celery broker: a Redis as in REDIS_URL, or RabbitMQ (amqp://…, amqps://…)",
        "the same as REDIS_URL",
        secret=True,
    ),
    Described(
        "SMTP_URL",
        "smtps://user:password@host, or smtp://user:password@host:587?starttls=required",
        "the local mailbox",
        secret=True,
    ),
    Described("MAIL_FROM", "sender address of emails", "hello@localhost.localdomain"),
    Described("PUBLIC_URL", "public URL of this service", "http://127.0.0.1:PORT"),
    Described(
        "SECRET_KEYS",
        "comma-separated keys of at least 32 characters; the first encrypts, all decrypt",
        "generated once, stored in HOME",
        True,
    ),
    Described(
        "SUPPRESSION_KEY",
        "key for hashes of suppressed addresses; never rotate it, back it up",
        "generated once, stored in HOME",
        True,
    ),
    Described("HOST", "address the web server listens on", "127.0.0.1"),
    Described("PORT", "port of the web server", "8000"),
    Described("METRICS_HOST", "address the metrics are served on; expose it to Prometheus only", "127.0.0.1"),
    Described("METRICS_PORT", "port of the Prometheus metrics", "9000"),
    Described("MAILBOX_PORT", "SMTP port of the local mailbox (local mode only)", "8025"),
    Described("WEB_WORKERS", "web server processes", "1"),
    Described("SWEEP_SECONDS", "seconds between checks for due work that no nudge has announced", "30"),
    Described("LOG_LEVEL", "debug, info (every request), warning, or error", "info in production, else warning"),
    Described("TRUSTED_PROXIES", "number of reverse proxies whose X-Forwarded-For is trusted", "0"),
    Described("CLIENT_RATE", "responses and events per second and client, on average; 0 means no limit", "20"),
    Described("MAIL_RATE", "maximum sending rate of the email provider: 14/second, 600/minute, 50000/day", "no limit"),
    Described("IMAP_URL", "imaps://user:password@host/INBOX: mailbox that receives bounce messages", "none", True),
    Described("DKIM_KEY_FILE", "PEM file with the RSA key for DKIM, if the provider does not sign", "none"),
    Described("DKIM_SELECTOR", "DKIM selector: the public key is at SELECTOR._domainkey.DOMAIN", "none"),
    Described("OIDC_ISSUER", "https URL of an OpenID Connect provider for console sign-in", "none"),
    Described("OIDC_CLIENT_ID", "client ID at the OpenID Connect provider", "none"),
    Described("OIDC_CLIENT_SECRET", "client secret at the OpenID Connect provider", "none", secret=True),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. ``secret_keys``: the first encrypts, all decrypt. Times are in seconds."""

    env: str
    home: Path
    database_url: str
    redis_url: str
    cache_url: str
    broker_url: str
    smtp_url: str
    mail_from: str
    public_url: str
    secret_keys: tuple[str, ...]
    suppression_key: str
    host: str
    port: int
    metrics_host: str
    metrics_port: int
    mailbox_port: int
    web_workers: int
    sweep_seconds: float
    log_level: str
    trusted_proxies: int
    client_rate: int = 20
    mail_rate: str = ""
    imap_url: str = ""
    dkim_key_file: str = ""
    dkim_selector: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = ""

    @property
    def local(self) -> bool:
        return self.env == LOCAL

    @property
    def max_sending_rate(self) -> tuple[int, float] | None:
        """The provider's maximum sending rate as (emails, seconds); None if there is no limit."""
        found = RATE.fullmatch(self.mail_rate)
        return (int(found[1]), _SECONDS[found[2]]) if found else None

    @property
    def mailbox(self) -> Path:
        return self.home / "mailbox"

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https://")


class _Reader(Env):
    """environs over a given mapping instead of ``os.environ``, which other threads share."""

    def __init__(self, given: Mapping[str, str]) -> None:
        super().__init__(prefix=PREFIX, eager=True)
        self._given = given

    def _get_value(self, env_key: str, default: Any) -> Any:
        return self._given.get(env_key, default)


def read_settings(environment: Mapping[str, str] | None = None, *, default_env: str = PRODUCTION) -> Settings:
    """Read the settings from RECOVERY_… variables. Raises SettingsError with every problem found.

    ``default_env`` is the mode if RECOVERY_ENV is not set. It defaults to production, so that a server never runs in
    local mode by accident.
    """
    given = dict(os.environ if environment is None else environment)
    try:
        settings = _read(_Reader(given), default_env)
    except EnvError as error:
        raise SettingsError(str(error)) from error
    from widget.settings_checks import problems_of  # Imported here: that module imports names from this one.

    found = problems_of(settings)
    if found:
        raise SettingsError("\n".join(found))
    return settings


def _read(env: Env, default_env: str) -> Settings:
    mode = env.str("ENV", default_env)
    if mode not in (LOCAL, PRODUCTION):
        raise SettingsError(f"{PREFIX}ENV is '{mode}': use local or production")
    home = Path(env.str("HOME", "./var")).resolve()
    port = _port(env, "PORT", 8000)
    made = {} if mode == PRODUCTION else _made_once(home)
    redis_url = env.str("REDIS_URL", "")
    mailbox_port = _port(env, "MAILBOX_PORT", 8025)
    return Settings(
        env=mode,
        home=home,
        database_url=env.str("DATABASE_URL", "" if mode == PRODUCTION else f"sqlite:///{home / 'recovery.db'}"),
        redis_url=redis_url,
        cache_url=env.str("CACHE_URL", ""),
        broker_url=env.str("BROKER_URL", redis_url),
        smtp_url=env.str("SMTP_URL", "" if mode == PRODUCTION else f"smtp://127.0.0.1:{mailbox_port}"),
        mail_from=env.str("MAIL_FROM", "" if mode == PRODUCTION else "hello@localhost.localdomain"),
        public_url=env.str("PUBLIC_URL", "" if mode == PRODUCTION else f"http://127.0.0.1:{port}").rstrip("/"),
        secret_keys=tuple(key.strip() for key in env.str("SECRET_KEYS", made.get("SECRET_KEYS", "")).split(",")),
        suppression_key=env.str("SUPPRESSION_KEY", made.get("SUPPRESSION_KEY", "")),
        host=env.str("HOST", "127.0.0.1"),
        port=port,
        metrics_host=env.str("METRICS_HOST", "127.0.0.1"),
        metrics_port=_port(env, "METRICS_PORT", 9000),
        mailbox_port=mailbox_port,
        web_workers=env.int("WEB_WORKERS", 1),
        sweep_seconds=env.float("SWEEP_SECONDS", 30.0),
        log_level=env.str("LOG_LEVEL", "info" if mode == PRODUCTION else "warning").lower(),
        trusted_proxies=env.int("TRUSTED_PROXIES", 0),
        client_rate=env.int("CLIENT_RATE", 20),
        **{name.lower(): env.str(name, "").strip() for name in (*MAIL, *OIDC)},
    )


def _port(env: Env, name: str, default: int) -> int:
    port = env.int(name, default)
    if not 0 < port < 65536:
        raise SettingsError(f"{PREFIX}{name} is {port}: a port must be a number from 1 to 65535")
    return port


def _made_once(home: Path) -> dict[str, str]:
    """Return the secrets of local mode, generated at the first start and readable by their owner only."""
    path = home / SECRETS_FILE
    if not path.exists():
        private_folder(home)
        fresh = path.with_name(f"secrets.{secrets.token_hex(4)}.new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({name: secrets.token_urlsafe(48) for name in MADE_ONCE}, file)
        with suppress(FileExistsError):
            os.link(fresh, path)  # If another process was first, its secrets are used.
        fresh.unlink()
    made: dict[str, str] = json.loads(path.read_text())
    return made


def described(settings: Settings, environment: Mapping[str, str]) -> list[dict[str, str]]:
    """Return each setting with its meaning, value (secrets masked), default, and source."""
    known = {field.name for field in fields(Settings)}
    rows = []
    for item in DESCRIBED:
        assert item.name.lower() in known
        value = getattr(settings, item.name.lower())
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        source = "environment" if PREFIX + item.name in environment else "default"
        shown = ("(set)" if text else "(not set)") if item.secret else text
        rows.append(
            {
                "name": PREFIX + item.name,
                "value": shown,
                "source": source,
                "default": item.default,
                "meaning": item.meaning,
            }
        )
    return rows
