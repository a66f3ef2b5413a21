"""Sending rate limits that survive restarts: one row per limit.

Source: the generic cell rate algorithm (ITU-T I.371). The row stores the moment up to which the limit is used.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Text, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from widget.storage.database import Table, Utc
from widget.storage.inserts import insert_or_ignore


class RateLimit(Table):
    """A sending limit. ``free_at``: the moment up to which the limit is used by what was granted so far."""

    __tablename__ = "rate_limits"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    free_at: Mapped[datetime] = mapped_column(Utc)


BURST = 0.1
"""Part of the limit that may be used at once; the rest is spread evenly. No window of its length exceeds the limit."""


def acquire(session: Session, name: str, *, wanted: int, most: int, seconds: float, now: datetime) -> int:
    """Return how many of ``wanted`` are granted now under a limit of ``most`` in ``seconds``; they count as used."""
    insert_or_ignore(session, RateLimit, {"name": name, "free_at": now}, ("name",))
    row = session.scalars(select(RateLimit).where(RateLimit.name == name).with_for_update()).one()
    interval, burst = _pace(most, seconds)
    used = max(0.0, (row.free_at - now).total_seconds())
    granted = max(0, min(wanted, int(burst - used / interval + 1e-9)))
    row.free_at = max(row.free_at, now) + timedelta(seconds=granted * interval)
    return granted


def _pace(most: int, seconds: float) -> tuple[float, int]:
    """Return (seconds per item, burst size)."""
    burst = max(1, int(most * BURST))
    return seconds / max(1, most - burst), burst


def release(session: Session, name: str, many: int, *, most: int, seconds: float) -> None:
    """Return ``many`` that were granted but not used."""
    if many > 0:
        row = session.scalars(select(RateLimit).where(RateLimit.name == name).with_for_update()).one()
        row.free_at -= timedelta(seconds=many * _pace(most, seconds)[0])


def retry_after(most: int, seconds: float) -> float:
    """Return how many seconds to wait until one more is granted."""
    return _pace(most, seconds)[0]
