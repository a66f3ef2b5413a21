"""Token buckets per client and shop for requests that create rows."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable

from widget.web.limits import client_of

BURST_SECONDS = 50
"""An idle client may send this many seconds' worth of its rate at once: the shoppers of an office share an address."""
SHOP_FACTOR = 100
"""The rate of a shop, as a multiple of the rate of one client."""
MAX_BUCKETS = 20_000
_COUNTED = re.compile(r"/v1/shops/([^/]{1,100})/(?:quizzes/[^/]{1,100}/responses|events)")


class Budgets:
    """Token buckets of clients and shops. ``rate``: requests per second for one client; 0 means no limit."""

    def __init__(self, rate: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._clock = rate, clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def retry_after(self, path: str, client: str) -> int:
        """Return 0 if the request is allowed, else the seconds to wait. Only posting responses and events counts."""
        if not self._rate or not path.startswith("/v1/"):
            return 0
        found = _COUNTED.fullmatch(path)
        if found is None:
            return 0
        with self._lock:
            for key, rate in (
                (f"client {client_of(client)}", self._rate),
                (f"shop {found[1]}", self._rate * SHOP_FACTOR),
            ):
                wait = self._take(key, rate)
                if wait:
                    return wait
        return 0

    def _take(self, key: str, rate: float) -> int:
        now, most = self._clock(), rate * BURST_SECONDS
        tokens, then = self._buckets.get(key, (most, now))
        tokens = min(most, tokens + (now - then) * rate)
        if tokens < 1:
            self._buckets[key] = (tokens, now)
            return max(1, round((1 - tokens) / rate))
        if key not in self._buckets and len(self._buckets) >= MAX_BUCKETS:
            self._buckets = dict(list(self._buckets.items())[MAX_BUCKETS // 2 :])
        self._buckets[key] = (tokens - 1, now)
        return 0


def client_address(peer: str, forwarded: str, proxies: int) -> str:
    """Return the client's address: the peer's, or the one seen by our outermost proxy (from X-Forwarded-For)."""
    if not proxies:
        return peer
    seen = [part.strip() for part in forwarded.split(",") if part.strip()]
    return seen[-proxies] if len(seen) >= proxies else peer
