"""A listener that turns nudges into tasks at once, without waiting for the next sweep."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from widget.cache.shared import NUDGES, SharedCache
from widget.nudges import CATALOG, CONTENT, EMAILS, WEBHOOKS

TASKS: Mapping[str, Sequence[str]] = {
    WEBHOOKS: ("process_webhooks",),
    EMAILS: ("send_outbox", "send_emails"),
    CATALOG: ("import_feeds", "reconcile_orders"),
    CONTENT: ("check_drafts",),
}
SPACING_SECONDS = 0.05
"""Minimum interval between tasks of a queue that is nudged constantly: one task processes all waiting rows."""
CLAIM_SECONDS = 30


class NudgeListener:
    """Sends the tasks of each nudged queue: at once for the first nudge, batched for those that follow closely."""

    def __init__(
        self, shared: SharedCache, send: Callable[[str], None], tasks: Mapping[str, Sequence[str]] = TASKS
    ) -> None:
        self._shared, self._send, self._tasks = shared, send, tasks
        self._pending: set[str] = set()
        self._wake = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="nudges", daemon=True)

    def start(self) -> None:
        self._shared.subscribe(NUDGES, self._receive)
        self._thread.start()

    def stop(self) -> None:
        with self._wake:
            self._stopped = True
            self._wake.notify()
        self._shared.close()
        self._thread.join(timeout=5)

    def _receive(self, message: str) -> None:
        queue = message.partition("/")[0]
        if queue in self._tasks and self._shared.claim(f"nudge:{message}", seconds=CLAIM_SECONDS):
            with self._wake:
                self._pending.add(queue)
                self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._pending or self._stopped)
                if self._stopped:
                    return
                queues, self._pending = sorted(self._pending), set()
            for queue in queues:
                for task in self._tasks[queue]:
                    self._send(task)
            time.sleep(SPACING_SECONDS)
