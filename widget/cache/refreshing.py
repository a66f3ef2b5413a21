"""An in-process cache of database values that refreshes in the background.

A slow or dead database must not make all requests wait: a cached value is served at once while one background attempt
refreshes it, and after a failed attempt no other is made for a moment.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

FRESH_SECONDS = 2.0
"""Below this age, a value is served without a refresh."""
STALE_SECONDS = 5.0
"""Up to this age, a value is served while a refresh runs: an edit is visible within this time."""
TRUSTED_SECONDS = 60.0
"""Up to this age, a value is served if a refresh fails or is late; beyond it, only a successful load will do."""
PATIENCE_SECONDS = 2.0
"""How long a refresh may run before a value older than STALE_SECONDS is served without it. After a failed refresh, no
request waits until a refresh has succeeded again."""
READ_YOUR_WRITES_SECONDS = 8.0
"""The same after ``invalidate``: a user who published in this process expects to see the change."""
FAILURE_SECONDS = 1.0
"""After a failed load, no other is attempted for this long."""
LOADERS = 4


@dataclass(frozen=True, slots=True)
class _Entry(Generic[Value]):
    loaded_at: float
    generation: int
    value: Value


class RefreshingCache(Generic[Key, Value]):
    """Values by key. ``load(key, previous)`` runs in a background thread, one call at a time for each key."""

    def __init__(
        self,
        load: Callable[[Key, Value | None], Value],
        *,
        size: int,
        failures: tuple[type[Exception], ...],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._load, self._size, self._failures, self._clock = load, size, failures, clock
        self._lock = threading.Lock()  # Held for dictionary operations only, never during I/O.
        self._entries: dict[Key, _Entry[Value]] = {}
        self._loading: dict[Key, Future[Value]] = {}
        self._generation = 0
        self._failed_until = 0.0
        self._failure: Exception | None = None
        self._works = True
        self._begun: dict[Key, float] = {}
        self._pool: ThreadPoolExecutor | None = None

    def invalidate(self) -> None:
        """Make the next ``get`` of each key load it again."""
        with self._lock:
            self._generation += 1
            self._loading = {}  # Values being loaded may predate the change.
            self._begun = {}
            self._failed_until = 0.0

    def peek(self, key: Key) -> Value | None:
        """Return the value if it can be served without waiting, else None. Never blocks: for use in the event loop."""
        entry = self._entries.get(key)
        if entry is None or entry.generation != self._generation:
            return None
        age = self._clock() - entry.loaded_at
        if age >= STALE_SECONDS:
            return None
        if age >= FRESH_SECONDS:
            self._start(key, entry)
        return entry.value

    def get(self, key: Key) -> Value:
        """Return the value, loading it first if none is cached or it is too old. Raises what ``load`` raises."""
        entry = self._entries.get(key)
        current = entry is not None and entry.generation == self._generation
        age = self._clock() - entry.loaded_at if entry else TRUSTED_SECONDS
        if entry is not None and current and age < FRESH_SECONDS:
            return entry.value
        loading = self._start(key, entry)
        if entry is None or age >= TRUSTED_SECONDS:
            if loading is None:
                raise self._failure or RuntimeError("the last load failed")
            return loading.result()
        patience = 0.0 if current and age < STALE_SECONDS else PATIENCE_SECONDS if current else READ_YOUR_WRITES_SECONDS
        left = patience - (self._clock() - self._begun.get(key, 0.0)) if self._works else 0.0
        if loading is not None and (left > 0 or loading.done()):
            with suppress(NotYet, *self._failures):
                return loading.result(max(0.0, left))
        return entry.value

    def close(self) -> None:
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)

    def _start(self, key: Key, entry: _Entry[Value] | None) -> Future[Value] | None:
        """Return the current load of this key, starting one if needed; None for a moment after a failure."""
        loading = self._loading.get(key)
        if loading is not None:
            return loading
        with self._lock:
            if self._clock() < self._failed_until:
                return None
            loading = self._loading.get(key)
            if loading is None:
                if self._pool is None:
                    self._pool = ThreadPoolExecutor(LOADERS, thread_name_prefix="refresh")
                loading = self._loading[key] = Future()
                self._begun[key] = self._clock()
                self._pool.submit(self._run, key, entry, self._generation, loading)
            return loading

    def _run(self, key: Key, entry: _Entry[Value] | None, generation: int, loading: Future[Value]) -> None:
        started = self._clock()
        try:
            value = self._load(key, entry.value if entry else None)
        except Exception as error:  # Any error is passed on to the waiting callers.
            with self._lock:
                if isinstance(error, self._failures):
                    self._failed_until, self._failure = self._clock() + FAILURE_SECONDS, error
                    self._works = False
                self._erase(key, loading)
            loading.set_exception(error)
            return
        with self._lock:
            self._works = True
            if generation == self._generation:
                if len(self._entries) >= self._size and key not in self._entries:
                    self._entries = {}  # Unknown names are cached too; clients must not be able to fill the memory.
                self._entries[key] = _Entry(started, generation, value)
            self._erase(key, loading)
        loading.set_result(value)

    def _erase(self, key: Key, loading: Future[Value]) -> None:
        if self._loading.get(key) is loading:
            del self._loading[key]
            self._begun.pop(key, None)
