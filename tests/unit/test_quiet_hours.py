"""Quiet hours and the daily limit: by the shop's clocks, over midnight, and through the change to summer time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from widget.domain.email.schedule import next_morning, quiet_until, start_of_day
from widget.domain.email.send_policy import DAILY_LIMIT, DEFER, PAUSED, QUIET_HOURS, SendContext, decide
from widget.domain.email.sequence import EXPIRED, MARKETING, SENDING, SKIPPED

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
        ("2026-03-28 21:00", "21:00", "08:00", "Europe/Berlin", "2026-03-29 06:00"),  # Summer time begins at night.
        ("2026-06-10 22:00", "", "", "UTC", None),
        ("2026-06-10 22:00", "08:00", "08:00", "UTC", None),
        ("2026-06-10 22:00", "21:00", "08:00", "No/Where", "2026-06-11 08:00"),
    ],
)
def test_the_end_of_quiet_hours(now: str, start: str, end: str, zone: str, expected: str | None) -> None:
    assert quiet_until(at(now), start, end, zone) == (at(expected) if expected else None)


def test_a_day_and_the_next_morning_are_those_of_the_shop() -> None:
    now = at("2026-06-10 02:00")

    assert start_of_day(now, "America/New_York") == at("2026-06-09 04:00")
    assert next_morning(now, "America/New_York") == at("2026-06-10 12:00")


def facts(**more: object) -> SendContext:
    return SendContext(
        **{"now": NOON, "valid_until": NOON + timedelta(days=3), "kind": MARKETING, "consent": True, **more}
    )  # type: ignore[arg-type]


def test_what_holds_an_email_back_longest_is_the_reason() -> None:
    soon, late = NOON + timedelta(hours=1), NOON + timedelta(hours=20)

    assert decide(facts()).verdict == SENDING
    assert decide(facts(quiet_until=soon)) == decide(facts(quiet_until=soon, full_until=NOON))
    assert (decide(facts(quiet_until=late)).verdict, decide(facts(quiet_until=late)).reason) == (DEFER, QUIET_HOURS)
    assert decide(facts(quiet_until=soon, full_until=late)).reason == DAILY_LIMIT
    assert decide(facts(quiet_until=soon, full_until=late)).until == late
    assert decide(facts(quiet_until=late, shop_paused=True)).reason == PAUSED


def test_what_stops_an_email_stops_it_at_night_too() -> None:
    night = NOON + timedelta(hours=9)

    assert decide(facts(quiet_until=night, order_cancelled=True)).verdict == SKIPPED
    assert decide(facts(quiet_until=night, valid_until=NOON + timedelta(hours=1))).verdict == EXPIRED
