"""A shopper and a store's webhooks, once or more in a second: ``python -m tests.cluster.shopper BASE SECONDS SECRET``.

Writes one JSON object: for each kind of request the statuses, counted, and the times in milliseconds.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import sys
import threading
import time
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

from tests.support.packs import GOOD

PAUSE = 0.05
QUIZ = "/v1/shops/demo/quizzes/leg-day"


class Caller:
    """Sends one kind of request again and again and notes what comes back."""

    def __init__(self, base: str, secret: str) -> None:
        self._host, self._secret = urlsplit(base).netloc, secret
        self.statuses: Counter[str] = Counter()
        self.milliseconds: list[float] = []
        self.retry_after: set[str] = set()

    def run(self, kind: str, seconds: float) -> None:
        end, number = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            number += 1
            started = time.monotonic()
            try:
                status = self._ask(kind, number)
            except OSError as error:
                status = type(error).__name__
            self.milliseconds.append((time.monotonic() - started) * 1000)
            self.statuses[str(status)] += 1
            time.sleep(PAUSE)

    def _ask(self, kind: str, number: int) -> int:
        method, path, body, headers = "GET", "", b"", {}
        match kind:
            case "quiz":
                path = QUIZ
            case "page":
                path = "/demo/quiz/leg-day"
            case "alive":
                path = "/healthz"
            case "answers":
                method, path, body = "POST", f"{QUIZ}/responses", json.dumps({"answers": GOOD}).encode()
                headers = {"Content-Type": "application/json"}
            case "webhook":
                method, path = "POST", "/webhooks/demo/orders"
                body, headers = _signed(number, self._secret)
        line = http.client.HTTPConnection(self._host, timeout=30)
        line.request(method, path, body or None, headers)
        answer = line.getresponse()
        answer.read()
        if answer.status == 503:
            self.retry_after.add(str(answer.headers.get("Retry-After")))
        line.close()
        return answer.status


def _signed(number: int, secret: str) -> tuple[bytes, dict[str, str]]:
    """Return (body, headers) of a webhook by the Standard Webhooks specification."""
    stamp, event = str(int(time.time())), f"msg_{time.monotonic_ns()}"
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    lines = [{"sku": "ROLL-75", "quantity": 1}]
    order = {"id": f"c{number}", "number": str(number), "email": f"c{number}@shop.example", "lines": lines}
    data = {"type": "order.placed", "timestamp": moment, "data": {"order": {**order, "placed_at": moment}}}
    body = json.dumps(data).encode()
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{event}.{stamp}.".encode() + body, hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(digest).decode()}"
    headers = {"webhook-id": event, "webhook-timestamp": stamp, "webhook-signature": signature}
    return body, {**headers, "Content-Type": "application/json"}


def main(base: str, seconds: float, secret: str) -> dict[str, Any]:
    callers = {kind: Caller(base, secret) for kind in ("quiz", "page", "alive", "answers", "webhook")}
    threads = [threading.Thread(target=one.run, args=(kind, seconds)) for kind, one in callers.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {
        kind: {
            "statuses": one.statuses,
            "milliseconds": sorted(round(took, 1) for took in one.milliseconds),
            "retry_after": sorted(one.retry_after),
        }
        for kind, one in callers.items()
    }


if __name__ == "__main__":
    json.dump(main(sys.argv[1], float(sys.argv[2]), sys.argv[3]), sys.stdout)
