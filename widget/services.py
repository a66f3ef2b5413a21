"""The services of a process: database, caches, email transport, content, clock. Built once, never at import."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from sqlalchemy import Engine as Database

from widget.cache.local import LocalCache
from widget.cache.shared import NUDGES, REVISIONS, SharedCache
from widget.clock import Clock
from widget.crypto import Crypto
from widget.email.dkim import DkimSigner
from widget.email.transport import SmtpTransport, Transport
from widget.nudges import publish_nudges
from widget.quiz_registry import LoadedQuiz, QuizRegistry
from widget.recorder import Recorder
from widget.settings import Settings, SettingsError
from widget.storage.database import Sessions, open_database, open_sessions

if TYPE_CHECKING:
    from widget.path_coverage.report import Coverage

RESULTS_KEPT = 1024
RESULT_SECONDS = 60.0
CLICKS_KEPT = 20_000
CLICK_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class CachedResult:
    """A serialized result with the data that its anonymous response row needs."""

    body: bytes
    answers: dict[str, list[str]]
    outcome: str
    products: tuple[str, ...]


@dataclass(frozen=True)
class Services:
    """All connections to the outside world. ``sessions`` write; ``reads`` never take the write lock."""

    settings: Settings
    database: Database
    sessions: Sessions
    reads: Sessions
    shared: SharedCache
    results: LocalCache[CachedResult]
    checked: LocalCache[Coverage]
    """Results of the live versions on all answer paths, for comparing drafts with them."""
    checking: threading.Lock
    """Held while a draft is checked: a process checks one at a time, so that several checks never slow down shoppers.
    """
    drafts: LocalCache[LoadedQuiz]
    """Compiled drafts for preview."""
    attempts: LocalCache[bool]
    """Visit tokens of recent responses: a repeat of one is not recorded again."""
    clicks: LocalCache[bool]
    """Hashes of recent clicks: which client has just followed which link of an email."""
    webhook_secrets: LocalCache[tuple[int, list[str]]]
    """By shop, source, and second: (shop id, secrets that sign its webhook deliveries)."""
    unsettled: list[Any]
    """Batches of emails whose outcomes this process could not store yet (``actions/emails/send_email.py``)."""
    quizzes: QuizRegistry
    recorder: Recorder
    crypto: Crypto
    transport: Transport
    clock: Clock

    def now(self) -> datetime:
        return self.clock.now()

    def invalidate(self, what: str) -> None:
        """Drop cached quizzes after a publish or a catalog change, in this process at once and then in all others."""
        self.quizzes.invalidate(what)
        self.shared.publish(REVISIONS, what)

    def close(self) -> None:
        self.recorder.close()
        self.shared.close()
        self.quizzes.close()
        if isinstance(self.transport, SmtpTransport):
            self.transport.close()
        self.database.dispose()


def signer_of(settings: Settings) -> DkimSigner | None:
    """Return the DKIM signer, or None if no key is configured. Raises SettingsError if the key cannot be used."""
    if not settings.dkim_key_file:
        return None
    try:
        key = Path(settings.dkim_key_file).read_bytes()
        return DkimSigner(key, domain=settings.mail_from.rsplit("@", 1)[-1], selector=settings.dkim_selector)
    except (OSError, ValueError) as error:
        raise SettingsError(f"RECOVERY_DKIM_KEY_FILE cannot be used ({type(error).__name__})") from error


def open_shared_cache(settings: Settings) -> SharedCache:
    """Open the cache and channels that all processes of this version share."""
    prefix = f"rq:{version('recovery-quiz')}"
    return SharedCache(settings.cache_url or settings.redis_url, prefix=prefix, shares_broker=not settings.cache_url)


def build_services(settings: Settings, *, transport: Transport | None = None, listen: bool = False) -> Services:
    """Build the services for these settings; ``listen`` subscribes to invalidations from other processes."""
    database = open_database(settings.database_url)
    sessions = open_sessions(database)
    reads = open_sessions(database.execution_options(reads_only=True))
    quizzes = QuizRegistry(reads)
    shared = open_shared_cache(settings)
    # The random token identifies the nudge, so that only one of the workers that receive it acts on it.
    publish_nudges(sessions, lambda queue: shared.publish(NUDGES, f"{queue}/{token_hex(8)}"))
    services = Services(
        settings=settings,
        database=database,
        sessions=sessions,
        reads=reads,
        shared=shared,
        results=LocalCache(size=RESULTS_KEPT, seconds=RESULT_SECONDS),
        checked=LocalCache(size=2, seconds=1800.0),
        checking=threading.Lock(),
        drafts=LocalCache(size=16, seconds=600.0),
        attempts=LocalCache(size=CLICKS_KEPT, seconds=CLICK_SECONDS),
        clicks=LocalCache(size=CLICKS_KEPT, seconds=CLICK_SECONDS),
        webhook_secrets=LocalCache(size=256, seconds=2.0),
        unsettled=[],
        quizzes=quizzes,
        recorder=Recorder(sessions),
        crypto=Crypto(settings.secret_keys, settings.suppression_key),
        transport=transport or SmtpTransport(settings.smtp_url, settings.mail_from, signer_of(settings)),
        clock=Clock(settings.home / "clock.json" if settings.local else None),
    )
    if listen:
        shared.subscribe(REVISIONS, quizzes.invalidate)
    return services
