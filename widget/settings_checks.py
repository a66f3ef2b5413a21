"""Validation of settings: reports all problems at once, each with the setting's name and what to do."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, urlsplit

from widget.sentinel_url import SCHEMES as SENTINEL
from widget.sentinel_url import BadSentinelUrl, is_sentinel, sentinel_url
from widget.settings import OIDC, PREFIX, RATE, Settings

MIN_SECRET = 32
MIN_SECRET_BITS = 96.0
MIN_SWEEP = 0.2
LEVELS = ("debug", "info", "warning", "error")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
STARTTLS = "starttls=required"
_OIDC_PACKAGES = ("authlib", "requests")
_NEEDED = ("DATABASE_URL", "REDIS_URL", "SMTP_URL", "MAIL_FROM", "PUBLIC_URL", "SECRET_KEYS", "SUPPRESSION_KEY")
_REDIS = ("redis", "rediss", "unix", *SENTINEL)
_SCHEMES = {
    "DATABASE_URL": ("sqlite", "postgresql", "postgres"),
    "REDIS_URL": _REDIS,
    "CACHE_URL": _REDIS,
    "BROKER_URL": (*_REDIS, "amqp", "amqps"),
    "SMTP_URL": ("smtp", "smtps"),
    "PUBLIC_URL": ("https", "http"),
    "IMAP_URL": ("imaps", "imap"),
}
_CLEAR_TEXT = {"REDIS_URL": "redis", "CACHE_URL": "redis", "BROKER_URL": "redis", "IMAP_URL": "imap"}
_WORD = re.compile(
    r"(?![a-f]+(?![a-z])|[A-F]+(?![A-Z]))(?:[a-z]{4,}|[A-Z]{4,}|[A-Z][a-z]{3,})"
)  # Words, except runs of hex digits.
WORD_BITS = 11.0
"""Entropy credited to a run of letters: that of one word from a list of two thousand."""


def problems_of(settings: Settings) -> list[str]:
    """Return every reason not to start with these settings; empty if there is none."""
    found = [*_unusable(settings), *_half_a_provider(settings)]
    found += _not_for_production(settings) if not settings.local else _not_for_local(settings)
    return [PREFIX + problem for problem in found]


def is_loopback_host(host: str | None) -> bool:
    """Return whether a host name means this machine (RFC 6761: every name under .localhost does)."""
    return bool(host) and (host in LOOPBACK or str(host).endswith(".localhost"))


def safe_address(address: str, *, local: bool) -> bool:
    """Return whether secrets may be sent to this address: https, or this machine in local mode."""
    parts = _split(address)
    if parts is None or not parts.hostname:
        return False
    return parts.scheme == "https" or (local and parts.scheme == "http" and is_loopback_host(parts.hostname))


def strength_bits(secret: str) -> float:
    """Return a lower estimate of a secret's entropy in bits: about 120 for 32 random hexadecimal digits.

    Repetitions, ascending or descending runs, and words count for little; the remaining characters count by the size
    of the alphabet in use.
    """
    period = (secret + secret).find(secret, 1)
    text = secret[:period] if 0 < period < len(secret) else secret
    words = len(_WORD.findall(text))
    rest = _WORD.sub("", text)
    steps = [ord(second) - ord(first) for first, second in pairwise(rest)]
    free = sum(1 for before, step in zip([None, *steps], steps, strict=False) if step != before or abs(step) > 1)
    return words * WORD_BITS + (free + bool(rest)) * math.log2(max(2, len(set(rest))))


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # A port that is not a number raises only when it is read.
    except ValueError:
        return None
    return parts


def _unusable(settings: Settings) -> Iterator[str]:
    """Yield the problems that prevent either mode from working."""
    for name, schemes in _SCHEMES.items():
        value = getattr(settings, name.lower())
        if is_sentinel(value) and SENTINEL[0] in schemes:
            yield from _unusable_sentinel(name, value)
            continue
        parts = _split(value)
        if value and (parts is None or parts.scheme.split("+")[0] not in schemes):
            starts = " or ".join(f"{scheme}://" for scheme in schemes)
            yield f"{name} is invalid: it must start with {starts}"
    for name, keys in (("SECRET_KEYS", settings.secret_keys), ("SUPPRESSION_KEY", (settings.suppression_key,))):
        if any(key and (len(key) < MIN_SECRET or len(set(key)) < 8) for key in keys) or (
            settings.local and not all(keys)
        ):
            yield f"{name} is missing or weak: use at least {MIN_SECRET} random characters"
    if settings.log_level not in LEVELS:
        yield f"LOG_LEVEL: use {', '.join(LEVELS)}"
    if settings.sweep_seconds < MIN_SWEEP:
        yield f"SWEEP_SECONDS: use {MIN_SWEEP} or more"
    if settings.web_workers < 1:
        yield "WEB_WORKERS: use 1 or more"
    if settings.trusted_proxies < 0:
        yield "TRUSTED_PROXIES: use 0 or more"
    if settings.client_rate < 0:
        yield "CLIENT_RATE: use 0 (no limit) or more"
    if settings.mail_rate and not RATE.fullmatch(settings.mail_rate):
        yield "MAIL_RATE: use a rate such as 14/second"
    if bool(settings.dkim_key_file) != bool(settings.dkim_selector):
        yield "DKIM_KEY_FILE and DKIM_SELECTOR: set both or neither"
    if settings.dkim_key_file and not Path(settings.dkim_key_file).is_file():
        yield "DKIM_KEY_FILE: the file does not exist"
    if settings.mail_from and "@" not in settings.mail_from.strip("@"):
        yield "MAIL_FROM: use an email address"
    if len({settings.port, settings.metrics_port, settings.mailbox_port}) < 3:
        yield "PORT, METRICS_PORT, and MAILBOX_PORT must be different"


def _unusable_sentinel(name: str, value: str) -> Iterator[str]:
    try:
        sentinel_url(value)
    except BadSentinelUrl as error:
        yield f"{name} is invalid: {error}"


def _half_a_provider(settings: Settings) -> Iterator[str]:
    """Yield the problems of incomplete OIDC settings: all must be set, or none.

    The packages that OIDC needs are an extra of this package; they are looked up here, not imported.
    """
    missing = [name for name in OIDC if not getattr(settings, name.lower())]
    if len(missing) == len(OIDC):
        return
    for name in missing:
        others = ", ".join(PREFIX + other for other in OIDC)
        yield f"{name} is missing: for sign-in by a provider, set all of {others}"
    if settings.oidc_issuer and not safe_address(settings.oidc_issuer, local=settings.local):
        yield "OIDC_ISSUER must start with https:// (in local mode, http://127.0.0.1 is allowed, too)"
    if not all(find_spec(name) for name in _OIDC_PACKAGES):
        yield "OIDC_… settings require more packages: run pip install 'recovery-quiz[oidc]'"


def _not_for_local(settings: Settings) -> Iterator[str]:
    """Yield the problems of exposing local mode, whose demo store, mailbox, and clock are open to everyone."""
    why = "local mode only serves this machine; set RECOVERY_ENV=production to serve others"
    if not is_loopback_host(settings.host):
        yield f"HOST is '{settings.host}', not a loopback address: {why}"
    for name, url in (("PUBLIC_URL", settings.public_url), ("SMTP_URL", settings.smtp_url)):
        parts = _split(url)
        if parts is not None and not is_loopback_host(parts.hostname):
            yield f"{name} does not point to this machine: {why}"


def _not_for_production(settings: Settings) -> Iterator[str]:
    for name in _NEEDED:
        if not any(getattr(settings, name.lower())):
            yield f"{name} is missing: it is required in production"
    if settings.public_url.startswith("http://"):
        yield "PUBLIC_URL must start with https:// in production, since it receives shoppers' answers and passwords"
    yield from _clear_text(settings)
    yield from _weak_keys(settings)


def _clear_text(settings: Settings) -> Iterator[str]:
    """Yield the settings whose passwords would cross a network unencrypted."""
    smtp = _split(settings.smtp_url)
    if smtp and smtp.scheme == "smtp" and smtp.username and "required" not in parse_qs(smtp.query).get("starttls", []):
        yield f"SMTP_URL has a password but does not require TLS: use smtps://, or add ?{STARTTLS}"
    for name in ("REDIS_URL", "CACHE_URL", "BROKER_URL"):
        if _open_sentinel(getattr(settings, name.lower())):
            yield f"{name} sends a password unencrypted: use sentinels:// instead of sentinel://"
    for name, scheme in {**_CLEAR_TEXT, "BROKER_URL ": "amqp"}.items():
        parts = _split(getattr(settings, name.strip().lower()))
        if parts and parts.scheme == scheme and parts.password and not is_loopback_host(parts.hostname):
            yield f"{name.strip()} sends a password unencrypted: use {scheme}s:// instead of {scheme}://"


def _open_sentinel(url: str) -> bool:
    """Return whether a Sentinel URL sends a password unencrypted to another machine."""
    try:
        parts = sentinel_url(url) if url.startswith("sentinel:") else None
    except BadSentinelUrl:
        return False  # It is reported as invalid.
    if parts is None or not (parts.password or parts.sentinel_password):
        return False
    return not all(is_loopback_host(host) for host, _ in parts.hosts)


def _weak_keys(settings: Settings) -> Iterator[str]:
    for name, keys in (("SECRET_KEYS", settings.secret_keys), ("SUPPRESSION_KEY", (settings.suppression_key,))):
        if any(len(key) >= MIN_SECRET and strength_bits(key) < MIN_SECRET_BITS for key in keys):
            yield (
                f"{name} can be guessed: use random characters, such as the output of "
                "python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
            )
    if settings.suppression_key and settings.suppression_key in settings.secret_keys:
        yield "SUPPRESSION_KEY must not be one of SECRET_KEYS, which are rotated; it must never change"
