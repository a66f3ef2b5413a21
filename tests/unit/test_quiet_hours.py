"""Quiet hours and the daily sending limit: in the shop's time zone, across midnight and daylight saving changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from widget.domain.email.schedule import due_at, next_morning, quiet_until, start_of_day
from widget.domain.email.send_policy import DAILY_LIMIT, DEFER, PAUSED, QUIET_HOURS, SendContext, decide
from widget.domain.email.sequence import EXPIRED, MARKETING, SENDING, SKIPPED, After, Step

NOON = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("now", "start", "end", "zone", "expected"),
    [
        ("2026-06-10 20:59", "21:00", "08:00", "UTC", None),
        ("2026-06-10 21:00", "21:00", "08:00", "UTC", "2026-06-11 08:00"),
        ("2026-06-11 07:59", "21:00", "08:00", "UTC", "2026-06-11 08:00"),
        ("2026-06-11 08:00", "21:00", "08:00", "UTC", None),
        ("2026-06-10 13:00", "12:00", "14:00", "UTC", "2026-06-10 14:00"),
        ("2026-06-10 19:30", "21:00", "08:00", "Europe/Berlin", "2026-06-11 06:00"),
        (
            "2026-03-28 21:00",
            "21:00",
            "08:00",
            "Europe/Berlin",
            "2026-03-29 06:00",
        ),  # DST starts at night.
        ("2026-06-10 22:00", "", "", "UTC", None),
        ("2026-06-10 22:00", "08:00", "08:00", "UTC", None),
        ("2026-06-10 22:00", "21:00", "08:00", "No/Where", "2026-06-11 08:00"),
    ],
)
def test_quiet_hours_end_in_the_time_zone_of_the_shop(
    now: str, start: str, end: str, zone: str, expected: str | None
) -> None:
    assert quiet_until(at(now), start, end, zone) == (at(expected) if expected else None)


def test_start_of_day_and_next_morning_use_the_time_zone_of_the_shop() -> None:
    now = at("2026-06-10 02:00")

    assert start_of_day(now, "America/New_York") == at("2026-06-09 04:00")
    assert next_morning(now, "America/New_York") == at("2026-06-10 12:00")


def facts(**more: object) -> SendContext:
    return SendContext(
        **{"now": NOON, "valid_until": NOON + timedelta(days=3), "kind": MARKETING, "consent": True, **more}
    )  # type: ignore[arg-type]


def test_longest_deferral_of_an_email_gives_its_reason() -> None:
    soon, late = NOON + timedelta(hours=1), NOON + timedelta(hours=20)

    assert decide(facts()).verdict == SENDING
    assert decide(facts(quiet_until=soon)) == decide(facts(quiet_until=soon, full_until=NOON))
    assert (decide(facts(quiet_until=late)).verdict, decide(facts(quiet_until=late)).reason) == (DEFER, QUIET_HOURS)
    assert decide(facts(quiet_until=soon, full_until=late)).reason == DAILY_LIMIT
    assert decide(facts(quiet_until=soon, full_until=late)).until == late
    assert decide(facts(quiet_until=late, shop_paused=True)).reason == PAUSED


def test_skipped_or_expired_email_is_not_deferred_by_quiet_hours() -> None:
    night = NOON + timedelta(hours=9)

    assert decide(facts(quiet_until=night, order_cancelled=True)).verdict == SKIPPED
    assert decide(facts(quiet_until=night, valid_until=NOON + timedelta(hours=1))).verdict == EXPIRED


def test_quiet_hours_that_end_in_the_repeated_hour_end_in_the_future() -> None:
    """On Nov 1, 2026, clocks in New York go from 2:00 AM back to 1:00 AM: 1:30 AM happens at 5:30 and at 6:30 UTC."""
    first, second = (datetime(2026, 11, 1, hour, 30, tzinfo=UTC) for hour in (5, 6))

    assert quiet_until(first - timedelta(minutes=15), "22:00", "01:30", "America/New_York") == first
    assert quiet_until(first + timedelta(minutes=5), "22:00", "01:30", "America/New_York") is None
    assert quiet_until(second - timedelta(minutes=15), "22:00", "01:30", "America/New_York") == second
    assert quiet_until(second + timedelta(minutes=1), "22:00", "01:30", "America/New_York") is None


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "UTC"])
@pytest.mark.parametrize("end", ["00:00", "00:30", "01:30", "01:45", "02:00", "02:30", "03:00"])
def test_quiet_hours_never_end_in_the_past(zone: str, end: str) -> None:
    for start in (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)):
        for minutes in range(0, 45 * 24 * 60, 15):
            now = start + timedelta(minutes=minutes)
            until = quiet_until(now, "22:00", end, zone)
            assert until is None or now < until <= now + timedelta(hours=7), now


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe"])
@pytest.mark.parametrize("at", ["00:30", "01:30", "02:30"])
def test_time_of_day_of_an_email_is_never_in_the_past(zone: str, at: str) -> None:
    step = Step("a", "hello", After(at=at), anchor={"placed": 0})
    for start in (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC)):
        for minutes in range(0, 45 * 24 * 60, 15):
            now = start + timedelta(minutes=minutes)
            due = due_at(step, {"placed": now}, (), zone)
            assert due is not None
            assert now <= due <= now + timedelta(hours=26), now
