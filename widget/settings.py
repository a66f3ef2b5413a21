"""The environment, read once, typed, and refused at start with a clear message."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from environs import Env, EnvError

PREFIX = "RECOVERY_"
PRODUCTION, EMBEDDED = "production", "embedded"
LEAST_SECRET = 32
LEAST_SWEEP = 0.2
LEVELS = ("debug", "info", "warning", "error")
_SCHEMES = {
    "DATABASE_URL": ("sqlite", "postgresql", "postgres"),
    "REDIS_URL": ("redis", "rediss", "unix"),
    "BROKER_URL": ("redis", "rediss", "unix", "amqp", "amqps"),
    "SMTP_URL": ("smtp", "smtps"),
    "PUBLIC_URL": ("https", "http"),
    "IMAP_URL": ("imaps", "imap"),
}
MAIL = ("MAIL_RATE", "IMAP_URL", "DKIM_KEY_FILE", "DKIM_SELECTOR")
_RATE = re.compile(r"([1-9]\d{0,8})/(second|minute|hour|day)")
_SECONDS = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
OIDC = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET")
_OIDC_PACKAGES = ("authlib", "requests")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MADE_ONCE = ("SECRET_KEYS", "SUPPRESSION_KEY")
REPOSITORY = Path(__file__).resolve().parent.parent


class SettingsError(ValueError):
    """A setting that is missing or cannot be used; the message names it."""


@dataclass(frozen=True, slots=True)
class Described:
    """What an operator reads of a setting."""

    name: str
    meaning: str
    default: str = ""
    secret: bool = False


DESCRIBED = (
    Described("ENV", "production refuses missing or weak settings; embedded makes its own", EMBEDDED),
    Described("HOME", "the data folder: database, secrets, mailbox, the private Redis", "./var"),
    Described("DATABASE_URL", "sqlite:///… or postgresql://…", "SQLite in HOME", secret=True),
    Described("REDIS_URL", "Redis for cache, limits and counts", "a private one, started by run", secret=True),
    Described("BROKER_URL", "Celery's broker: Redis or RabbitMQ", "the same as REDIS_URL", secret=True),
    Described("SMTP_URL", "smtp://user:password@host:587 or smtps://…", "the local mailbox", secret=True),
    Described("MAIL_FROM", "the sender address of letters", "hello@localhost.localdomain"),
    Described("PUBLIC_URL", "the address browsers reach this service at", "http://127.0.0.1:PORT"),
    Described(
        "SECRET_KEYS",
        "comma-separated, 32 characters or more each: the first signs, all verify",
        "made once in HOME",
        True,
    ),
    Described(
        "SUPPRESSION_KEY",
        "keys the hashes of addresses that said no; never rotate, back it up",
        "made once in HOME",
        True,
    ),
    Described("HOST", "the address the web server listens on", "127.0.0.1"),
    Described("PORT", "the web server's port", "8000"),
    Described("METRICS_PORT", "Prometheus metrics are served here", "9000"),
    Described("MAILBOX_PORT", "the local mailbox takes mail here (embedded only)", "8025"),
    Described("WEB_WORKERS", "web server processes", "1"),
    Described("SWEEP_SECONDS", "how often the workers look for due work", "2"),
    Described("LOG_LEVEL", "debug, info (each request), warning or error", "info in production, else warning"),
    Described("TRUSTED_PROXIES", "how many proxies stand in front and may tell the client's address", "0"),
    Described("MAIL_RATE", "as many letters as the carrier takes: 14/second, 600/minute, 50000/day", "no limit"),
    Described("IMAP_URL", "imaps://user:password@host/INBOX: where reports of undelivered mail come in", "none", True),
    Described("DKIM_KEY_FILE", "a PEM file with the RSA key that signs letters, where the carrier does not", "none"),
    Described("DKIM_SELECTOR", "the name under which DNS has its public half: SELECTOR._domainkey.DOMAIN", "none"),
    Described("OIDC_ISSUER", "people may sign in by this OpenID Connect provider, too: its https address", "none"),
    Described("OIDC_CLIENT_ID", "what this service is called at that provider", "none"),
    Described("OIDC_CLIENT_SECRET", "the secret that goes with it", "none", secret=True),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings. ``secret_keys``: the first signs, all verify. Times are in seconds."""

    env: str
    home: Path
    database_url: str
    redis_url: str
    broker_url: str
    smtp_url: str
    mail_from: str
    public_url: str
    secret_keys: tuple[str, ...]
    suppression_key: str
    host: str
    port: int
    metrics_port: int
    mailbox_port: int
    web_workers: int
    sweep_seconds: float
    log_level: str
    trusted_proxies: int
    mail_rate: str = ""
    imap_url: str = ""
    dkim_key_file: str = ""
    dkim_selector: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = ""

    @property
    def embedded(self) -> bool:
        return self.env == EMBEDDED

    @property
    def most_letters(self) -> tuple[int, float] | None:
        """(how many letters, in how many seconds) the carrier takes; None: as many as there are."""
        found = _RATE.fullmatch(self.mail_rate)
        return (int(found[1]), _SECONDS[found[2]]) if found else None

    @property
    def mailbox(self) -> Path:
        return self.home / "mailbox"

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https://")


def read_settings(environment: Mapping[str, str] | None = None) -> Settings:
    """Settings from RECOVERY_… variables. Raises SettingsError that names each that cannot be used."""
    given = dict(os.environ if environment is None else environment)
    env = Env(prefix=PREFIX, eager=True)
    saved = os.environ.copy()
    try:
        os.environ.clear()
        os.environ.update(given)
        return _read(env)
    except EnvError as error:
        raise SettingsError(str(error)) from error
    finally:
        os.environ.clear()
        os.environ.update(saved)


def _read(env: Env) -> Settings:
    mode = env.str("ENV", EMBEDDED)
    if mode not in (EMBEDDED, PRODUCTION):
        raise SettingsError(f"{PREFIX}ENV is '{mode}': use embedded or production")
    home = Path(env.str("HOME", "./var")).resolve()
    port = _port(env, "PORT", 8000)
    made = {} if mode == PRODUCTION else _made_once(home)
    redis_url = env.str("REDIS_URL", "")
    mailbox_port = _port(env, "MAILBOX_PORT", 8025)
    settings = Settings(
        env=mode,
        home=home,
        database_url=env.str("DATABASE_URL", "" if mode == PRODUCTION else f"sqlite:///{home / 'recovery.db'}"),
        redis_url=redis_url,
        broker_url=env.str("BROKER_URL", redis_url),
        smtp_url=env.str("SMTP_URL", "" if mode == PRODUCTION else f"smtp://127.0.0.1:{mailbox_port}"),
        mail_from=env.str("MAIL_FROM", "" if mode == PRODUCTION else "hello@localhost.localdomain"),
        public_url=env.str("PUBLIC_URL", "" if mode == PRODUCTION else f"http://127.0.0.1:{port}").rstrip("/"),
        secret_keys=tuple(each.strip() for each in env.str("SECRET_KEYS", made.get("SECRET_KEYS", "")).split(",")),
        suppression_key=env.str("SUPPRESSION_KEY", made.get("SUPPRESSION_KEY", "")),
        host=env.str("HOST", "127.0.0.1"),
        port=port,
        metrics_port=_port(env, "METRICS_PORT", 9000),
        mailbox_port=mailbox_port,
        web_workers=env.int("WEB_WORKERS", 1),
        sweep_seconds=env.float("SWEEP_SECONDS", 2.0),
        log_level=env.str("LOG_LEVEL", "info" if mode == PRODUCTION else "warning").lower(),
        trusted_proxies=env.int("TRUSTED_PROXIES", 0),
        **{name.lower(): env.str(name, "").strip() for name in (*MAIL, *OIDC)},
    )
    _refuse_unusable(settings)
    _refuse_half_a_provider(settings)
    return settings


def _port(env: Env, name: str, default: int) -> int:
    port = env.int(name, default)
    if not 0 < port < 65536:
        raise SettingsError(f"{PREFIX}{name} is {port}: a port is a number from 1 to 65535")
    return port


def _refuse_unusable(settings: Settings) -> None:
    needed = ("DATABASE_URL", "REDIS_URL", "SMTP_URL", "MAIL_FROM", "PUBLIC_URL", "SECRET_KEYS", "SUPPRESSION_KEY")
    empty = [name for name in needed if not any(getattr(settings, name.lower()))]
    missing = [PREFIX + name for name in empty if settings.env == PRODUCTION]
    if missing:
        raise SettingsError(f"in production these must be set: {', '.join(missing)}")
    for name, keys in (("SECRET_KEYS", settings.secret_keys), ("SUPPRESSION_KEY", (settings.suppression_key,))):
        if any(len(key) < LEAST_SECRET or len(set(key)) < 8 for key in keys):
            raise SettingsError(f"{PREFIX}{name} is missing or weak: give at least {LEAST_SECRET} random characters")
    for name, schemes in _SCHEMES.items():
        value = getattr(settings, name.lower())
        if value and urlsplit(value).scheme.split("+")[0] not in schemes:
            raise SettingsError(f"{PREFIX}{name} must start with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    ports = {settings.port, settings.metrics_port, settings.mailbox_port}
    for wrong, text in (
        (settings.log_level not in LEVELS, f"LOG_LEVEL: use {', '.join(LEVELS)}"),
        (settings.sweep_seconds < LEAST_SWEEP, f"SWEEP_SECONDS: use {LEAST_SWEEP} or more"),
        (settings.web_workers < 1, "WEB_WORKERS: use 1 or more"),
        (settings.trusted_proxies < 0, "TRUSTED_PROXIES: use 0 or more"),
        (bool(settings.mail_rate) and not _RATE.fullmatch(settings.mail_rate), "MAIL_RATE: use such as 14/second"),
        (
            bool(settings.dkim_key_file) != bool(settings.dkim_selector),
            "DKIM_KEY_FILE and DKIM_SELECTOR: give both or none",
        ),
        (
            bool(settings.dkim_key_file) and not Path(settings.dkim_key_file).is_file(),
            "DKIM_KEY_FILE: there is no such file",
        ),
        ("@" not in settings.mail_from.strip("@"), "MAIL_FROM: give an e-mail address"),
        (len(ports) < len(("PORT", "METRICS_PORT", "MAILBOX_PORT")), "PORT, METRICS_PORT and MAILBOX_PORT must differ"),
    ):
        if wrong:
            raise SettingsError(PREFIX + text)


def _refuse_half_a_provider(settings: Settings) -> None:
    """All of OIDC or none of it; what it needs is an extra of this package, looked up and not imported."""
    missing = [PREFIX + name for name in OIDC if not getattr(settings, name.lower())]
    if len(missing) == len(OIDC):
        return
    if missing:
        raise SettingsError(f"to sign in by a provider, these must be set as well: {', '.join(missing)}")
    if not safe_address(settings.oidc_issuer, embedded=settings.embedded):
        raise SettingsError(f"{PREFIX}OIDC_ISSUER must start with https:// (embedded: http://127.0.0.1 will do)")
    if not all(find_spec(name) for name in _OIDC_PACKAGES):
        raise SettingsError(f"{PREFIX}OIDC_… need more packages: run pip install 'recovery-quiz[oidc]'")


def safe_address(address: str, *, embedded: bool) -> bool:
    """Whether secrets may be sent there: https, or this very machine in the embedded default."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return bool(parts.hostname) and (
        parts.scheme == "https" or (embedded and parts.scheme == "http" and parts.hostname in LOOPBACK)
    )


def _made_once(home: Path) -> dict[str, str]:
    """The secrets of the embedded default: made at the first start, readable by their owner only."""
    path = home / "secrets.json"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = path.with_name(f"secrets.{secrets.token_hex(4)}.new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({name: secrets.token_urlsafe(48) for name in MADE_ONCE}, file)
        with suppress(FileExistsError):
            os.link(fresh, path)  # When another process was first, its secrets count.
        fresh.unlink()
    made: dict[str, str] = json.loads(path.read_text())
    return made


def described(settings: Settings, environment: Mapping[str, str]) -> list[dict[str, str]]:
    """Each setting with meaning, value (secrets masked) and where it came from."""
    known = {field.name for field in fields(Settings)}
    rows = []
    for each in DESCRIBED:
        assert each.name.lower() in known
        value = getattr(settings, each.name.lower())
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        source = "environment" if PREFIX + each.name in environment else "default"
        shown = ("(set)" if text else "(not set)") if each.secret else text
        rows.append(
            {
                "name": PREFIX + each.name,
                "value": shown,
                "source": source,
                "default": each.default,
                "meaning": each.meaning,
            }
        )
    return rows
