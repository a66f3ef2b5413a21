"""The clock. In local mode it can be moved forward, so that future emails are sent now."""

from __future__ import annotations

import json
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

REREAD_SECONDS = 0.25


class Clock:
    """The current time in UTC. With ``path``, all processes add the seconds stored in that file."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._read_at = -REREAD_SECONDS
        self._ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    @property
    def ahead(self) -> timedelta:
        if self._path is not None and time.monotonic() - self._read_at > REREAD_SECONDS:
            self._read_at = time.monotonic()
            self._ahead = _read(self._path)
        return self._ahead

    def move_to(self, moment: datetime) -> None:
        """Move the clock forward to a moment. Raises RuntimeError outside local mode."""
        if self._path is None:
            raise RuntimeError("only the clock of local mode can be moved")
        ahead = max(self.ahead, moment - datetime.now(UTC))
        fresh = self._path.with_suffix(f".{os.getpid()}.new")
        fresh.write_text(json.dumps({"ahead_seconds": ahead.total_seconds()}))
        fresh.replace(self._path)
        self._ahead = ahead


def _read(path: Path) -> timedelta:
    try:
        return timedelta(seconds=float(json.loads(path.read_text())["ahead_seconds"]))
    except (OSError, ValueError, KeyError, TypeError):
        return timedelta()
