"""Anonymous responses and events: buffered in the process and stored in batches within a second."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import date
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from widget.storage.daily_metrics import DailyMetricKey, add_daily_metrics, daily_metrics_of
from widget.storage.database import Sessions
from widget.storage.responses import add_daily_events, add_responses
from widget.telemetry import RESPONSES_LOST, RESPONSES_SAMPLED, log

EVERY_SECONDS = 0.5
MAX_WAITING = 20_000
ALL_UP_TO, ONE_OF = 500, 10
"""In each second, this process stores the first ALL_UP_TO responses of a shop, and one in ONE_OF beyond that."""
DailyEventKey = tuple[int, str, date, str, str, str, int, str]
"""(shop id, quiz, day, event, question, SKU, version, locale)"""
_COUNTED = ("shop_id", "quiz", "day", "event", "question", "sku", "version", "locale")


def counted_row(key: DailyEventKey, number: int) -> dict[str, Any]:
    """Return a row of the daily events table."""
    return dict(zip(_COUNTED, key, strict=True), number=number)


class Recorder:
    """A buffer that takes rows from many threads and stores them from one.

    While the database is down, at most MAX_WAITING responses are kept; the oldest beyond that are dropped and counted
    as lost.
    """

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._lock = threading.Lock()
        self._responses: list[tuple[dict[str, Any], bool]] = []
        self._counts: Counter[DailyEventKey] = Counter()
        self._daily_metrics: Counter[DailyMetricKey] = Counter()
        self._second, self._seen = 0, Counter[int]()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._log = log("recorder")

    def add_response(self, row: dict[str, Any], *, daily_metric: bool = True) -> None:
        """Buffer a response. If ``daily_metric`` is False, it is stored (an order may follow) but counted nowhere."""
        with self._lock:
            if self._is_sampled_out(row["shop_id"]):
                if daily_metric:
                    self._daily_metrics.update(daily_metrics_of([row]))
            else:
                self._responses.append((row, daily_metric))
        if self._thread is None:
            self._start()

    def _is_sampled_out(self, shop_id: int) -> bool:
        """Return whether to count this row without storing it: above a rate, so that a flood cannot fill the table."""
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._seen = second, Counter()
        self._seen[shop_id] += 1
        over = self._seen[shop_id] - ALL_UP_TO
        if over <= 0 or over % ONE_OF == 0:
            return False
        RESPONSES_SAMPLED.inc()
        return True

    def add_daily_event(self, key: DailyEventKey, number: int = 1) -> None:
        with self._lock:
            self._counts[key] += number
        if self._thread is None:
            self._start()

    def add_daily_metric(self, key: DailyMetricKey) -> None:
        with self._lock:
            self._daily_metrics[key] += 1
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(EVERY_SECONDS):
            try:
                self.flush()
            except Exception:  # The thread must survive, so that later rows are still stored.
                self._log.error("recorder_failed", exc_info=True)

    def flush(self) -> None:
        """Store the buffered rows in one transaction; on failure, keep them for the next attempt."""
        with self._lock:
            responses, self._responses = self._responses, []
            counts, self._counts = self._counts, Counter()
            daily_metrics, self._daily_metrics = self._daily_metrics, Counter()
        if not responses and not counts and not daily_metrics:
            return
        try:
            with self._sessions.begin() as session:
                if responses:
                    add_responses(session, [row for row, _ in responses])
                add_daily_metrics(
                    session, daily_metrics + daily_metrics_of(row for row, daily_metric in responses if daily_metric)
                )
                add_daily_events(session, [counted_row(key, n) for key, n in sorted(counts.items())])
        except SQLAlchemyError:
            self._log.warning("responses_wait", number=len(responses), exc_info=True)
            self._keep(responses, counts, daily_metrics)

    def _keep(
        self,
        responses: list[tuple[dict[str, Any], bool]],
        counts: Counter[DailyEventKey],
        daily_metrics: Counter[DailyMetricKey],
    ) -> None:
        with self._lock:
            self._daily_metrics.update(daily_metrics)
            self._responses[:0] = responses
            self._counts.update(counts)
            lost = len(self._responses) - MAX_WAITING
            if lost > 0:
                RESPONSES_LOST.inc(lost)
                del self._responses[:lost]

    def close(self) -> None:
        self._stop.set()
        if self._thread:
            self._thread.join(timeout=3)
        self.flush()
