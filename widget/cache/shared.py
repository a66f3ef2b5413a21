"""Redis as an optional cache and message channel, with short timeouts and a circuit breaker."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from widget.cache.redis_url import open_redis
from widget.telemetry import CACHE_FAILURES, CACHE_OPEN, log

TIMEOUT = 0.1
OPEN_SECONDS = 5.0
PUTS_A_SECOND = 10
LISTEN_SECONDS = 0.25
REVISIONS, NUDGES = "revisions", "nudges"
"""Channels: a quiz or a catalog has a new revision; a queue has new rows."""
_FAILURES = (redis.RedisError, OSError)


class Circuit:
    """A circuit breaker: after a failure it is open for a while, so that no request waits for an unavailable Redis."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until = 0.0
        self._lock = threading.Lock()
        self._log = log("cache")
        self._down = False

    @property
    def closed(self) -> bool:
        return self._clock() >= self._until

    def failed(self) -> None:
        CACHE_FAILURES.inc()
        CACHE_OPEN.set(1)
        with self._lock:
            self._until = self._clock() + OPEN_SECONDS
            outcome, self._down = self._down, True
        if not outcome:
            self._log.warning("redis_gone", retry_seconds=OPEN_SECONDS)

    def worked(self) -> None:
        if self._down:
            with self._lock:
                self._down, self._until = False, 0.0
            CACHE_OPEN.set(0)
            self._log.warning("redis_back")


class SharedCache:
    """Bytes by key in Redis, each with a time to live, under a prefix of this application version."""

    def __init__(self, url: str, *, prefix: str, shares_broker: bool = False) -> None:
        """``shares_broker``: Celery's queues are in the same Redis, so results must not fill it."""
        self.prefix = prefix
        self._most = PUTS_A_SECOND if shares_broker else 0
        self._window = (0, 0)
        self.circuit = Circuit()
        self._client = (
            open_redis(
                url,
                socket_timeout=TIMEOUT,
                socket_connect_timeout=TIMEOUT,
                retry=Retry(NoBackoff(), 0),
                health_check_interval=0,
            )
            if url
            else None
        )
        self._stop = threading.Event()
        self._listeners: list[threading.Thread] = []

    def get(self, key: str) -> bytes | None:
        if self._client is None or not self.circuit.closed:
            return None
        try:
            value = self._client.get(f"{self.prefix}:{key}")
        except _FAILURES:
            self.circuit.failed()
            return None
        self.circuit.worked()
        return value if isinstance(value, bytes) else None

    def put(self, key: str, value: bytes, *, seconds: int) -> None:
        if self._client is None or not self.circuit.closed or self._is_over_budget():
            return
        try:
            self._client.set(f"{self.prefix}:{key}", value, ex=seconds)
        except _FAILURES:
            self.circuit.failed()

    def _is_over_budget(self) -> bool:
        """Return whether this second's entries are used up: this limit and the times to live bound the memory used."""
        if not self._most:
            return False
        second, many = self._window
        now = int(time.monotonic())
        many = many + 1 if now == second else 1
        self._window = (now, many)
        return many > self._most

    def ping(self) -> bool:
        """Return whether Redis responds now; it is queried even while the circuit is open."""
        try:
            answered = self._client is not None and bool(self._client.ping())
        except _FAILURES:
            self.circuit.failed()
            return False
        if answered:
            self.circuit.worked()
        return answered

    def publish(self, channel: str, message: str) -> None:
        """Send a message to all subscribed processes. Without it, each of them notices the change later."""
        if self._client is None or not self.circuit.closed:
            return
        try:
            self._client.publish(f"{self.prefix}:{channel}", message)
        except _FAILURES:
            self.circuit.failed()

    def claim(self, key: str, *, seconds: int) -> bool:
        """Return whether this process is the first to claim the key; also True while Redis is unavailable."""
        if self._client is None:
            return True
        try:
            return bool(self._client.set(f"{self.prefix}:{key}", b"1", ex=seconds, nx=True))
        except _FAILURES:
            return True

    def subscribe(self, channel: str, receive: Callable[[str], None]) -> None:
        """Call ``receive`` with every message of the channel, from a dedicated thread that survives Redis outages."""
        if self._client is not None:
            thread = threading.Thread(
                target=self._follow, args=(channel, receive), name=f"{channel}-listener", daemon=True
            )
            self._listeners.append(thread)
            thread.start()

    def subscribers(self, channel: str) -> int:
        """Return how many processes are subscribed to the channel. Raises RedisError."""
        if self._client is None:
            return 0
        return int(dict(self._client.pubsub_numsub(f"{self.prefix}:{channel}")).popitem()[1])

    def _follow(self, channel: str, receive: Callable[[str], None]) -> None:
        assert self._client is not None
        while not self._stop.is_set():
            try:
                with self._client.pubsub(ignore_subscribe_messages=True) as subscription:  # type: ignore[no-untyped-call]
                    subscription.subscribe(f"{self.prefix}:{channel}")
                    while not self._stop.is_set():
                        message = subscription.get_message(timeout=LISTEN_SECONDS)
                        if message and isinstance(message["data"], bytes):
                            receive(message["data"].decode())
            except _FAILURES:
                self._stop.wait(1.0)

    def close(self) -> None:
        self._stop.set()
        for listener in self._listeners:
            listener.join(timeout=2)
        if self._client is not None:
            self._client.close()
