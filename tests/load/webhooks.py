"""Signed order webhooks at a constant rate, and the time until each was acknowledged."""

from __future__ import annotations

import http.client
import json
import statistics
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from widget.stores.standard import sign


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The outcome of a load test: ``sent`` deliveries, ``good`` of them answered 200; ``p50`` and ``p99`` in ms."""

    sent: int
    good: int
    p50: float
    p99: float


def webhook_load(
    base: str, secret: str, *, rate: int, seconds: int, threads: int = 16, shop: str = "demo"
) -> Acknowledged:
    """Deliver ``rate`` orders per second, spread evenly over threads that keep their connections open."""
    took: list[float] = []
    good = [0] * threads
    start = time.perf_counter() + 0.5
    many = rate * seconds

    def run(mine: int) -> None:
        line = http.client.HTTPConnection(urlsplit(base).netloc, timeout=10)
        for number in range(mine, many, threads):
            body, headers = _delivery(secret, number)
            time.sleep(max(0.0, start + number / rate - time.perf_counter()))
            before = time.perf_counter()
            line.request("POST", f"/webhooks/{shop}/orders", body, headers)
            answer = line.getresponse()
            answer.read()
            took.append((time.perf_counter() - before) * 1000)
            good[mine] += answer.status == 200
        line.close()

    workers = [threading.Thread(target=run, args=(mine,)) for mine in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    cuts = statistics.quantiles(took, n=100)
    return Acknowledged(len(took), sum(good), cuts[49], cuts[98])


def _delivery(secret: str, number: int) -> tuple[bytes, dict[str, str]]:
    now, stamp, event_id = datetime.now(UTC).isoformat(), int(time.time()), f"load_{number}_{time.time_ns()}"
    order = {
        "id": f"load-{number}-{time.time_ns()}",
        "number": str(number),
        "email": f"load{number}@shop.example",
        "accepts_marketing": True,
        "placed_at": now,
        "lines": [{"line_id": "1", "sku": "ROLL-75", "quantity": 1}],
    }
    body = json.dumps({"type": "order.placed", "timestamp": now, "data": {"order": order}}).encode()
    return body, {
        "content-type": "application/json",
        "webhook-id": event_id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign(secret, event_id, stamp, body),
    }
