"""Dates and times as US English writes them, in the time zone of a shop."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def local(at: datetime, zone: str) -> datetime:
    """Return the moment in a zone; unchanged if the zone is unknown."""
    try:
        return at.astimezone(ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError):
        return at


def moment(at: datetime | None, zone: str) -> str:
    """Format ``Nov 30, 2026, 9:00 AM``; empty for None."""
    return local(at, zone).strftime("%b %-d, %Y, %-I:%M %p") if at else ""


def day_and_time(at: datetime, zone: str) -> str:
    """Format ``Nov 30, 9:00 AM``."""
    return local(at, zone).strftime("%b %-d, %-I:%M %p")


def moment_and_zone(at: datetime, zone: str) -> str:
    """Format ``Nov 30, 2026, 9:00 AM EST``, for where the reader cannot know the zone."""
    return local(at, zone).strftime("%b %-d, %Y, %-I:%M %p %Z")
