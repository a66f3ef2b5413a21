"""A small in-process cache: bounded, short-lived, and thread-safe."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

Value = TypeVar("Value")


class LocalCache(Generic[Value]):
    """At most ``size`` entries, each kept for ``seconds``; when full, the older half is dropped.

    It uses plain dict operations, each atomic under the interpreter's lock: a read costs one lookup and one clock call.
    """

    def __init__(self, *, size: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.size, self.seconds = size, seconds
        self._clock = clock
        self._entries: dict[Hashable, tuple[float, Value]] = {}

    def get(self, key: Hashable) -> Value | None:
        entry = self._entries.get(key)
        if entry is None or entry[0] < self._clock():
            return None
        return entry[1]

    def put(self, key: Hashable, value: Value) -> None:
        if len(self._entries) >= self.size:
            kept = list(self._entries.items())[len(self._entries) // 2 :]
            self._entries = dict(kept)
        self._entries[key] = (self._clock() + self.seconds, value)

    def clear(self) -> None:
        self._entries = {}

    def __len__(self) -> int:
        return len(self._entries)
