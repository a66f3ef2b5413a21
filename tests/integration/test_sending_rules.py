"""Sending rules: fairness between shops, the provider's rate, time zones, subject variants, and soft opt-in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.load.emails import plan_emails
from tests.support.database import rows
from tests.support.emails import emails, go_to, sent
from tests.support.orders import EMAIL, webhook
from tests.support.packs import leg_day_files, publish_files
from widget.actions.emails.send_email import send_due_emails
from widget.actions.shops.add_shop import add_shop
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.domain.email.markets import soft_opt_in_applies
from widget.email.transport import MemoryTransport
from widget.services import Services
from widget.storage.emails import Email, claim_due
from widget.storage.rate_limits import acquire, release
from widget.storage.shops import Shop, shop_by_slug

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def test_backlog_of_one_shop_does_not_delay_emails_of_another(services: Services) -> None:
    add_shop(services, "small", name="Small", postal_address="1 Lane")
    publish_files(services, leg_day_files(), shop="small")
    plan_emails(services, 300)
    plan_emails(services, 1, shop="small", first=1000)
    with services.sessions.begin() as session:
        first = claim_due(session, services.now(), 50)
        shops = {session.get_one(Email, item).shop_id for item in first}

    assert len(first) == 50
    assert len(shops) == 2


def test_unused_sending_share_of_a_shop_goes_to_the_others(services: Services) -> None:
    add_shop(services, "small", name="Small", postal_address="1 Lane")
    publish_files(services, leg_day_files(), shop="small")
    plan_emails(services, 100)
    plan_emails(services, 2, shop="small", first=1000)
    claims = []
    while True:
        with services.sessions.begin() as session:
            claimed = claim_due(session, services.now(), 50)
        if not claimed:
            break
        claims.append(len(claimed))

    assert sum(claims) == 102
    assert len(claims) <= 4


def leave(services: Services, wanted: int, at: datetime, most: int = 100, seconds: float = 90) -> int:
    with services.sessions.begin() as session:
        return acquire(session, "mail", wanted=wanted, most=most, seconds=seconds, now=at)


def test_provider_rate_limit_survives_restarts(services: Services) -> None:
    assert leave(services, 50, NOW) == 10
    # The limit is stored in the database, so it holds for another process and after a restart.
    assert leave(services, 50, NOW) == 0
    assert leave(services, 50, NOW + timedelta(seconds=3)) == 3
    assert leave(services, 1, NOW + timedelta(seconds=6)) == 1
    assert leave(services, 50, NOW + timedelta(hours=1)) == 10


@pytest.mark.parametrize(("most", "seconds"), [(14, 1), (100, 60), (500, 86_400)])
def test_no_window_exceeds_the_provider_rate_limit(sqlite_services: Services, most: int, seconds: float) -> None:
    gone: list[float] = []
    step = seconds / 100
    for tick in range(250):
        gone += [tick * step] * leave(sqlite_services, 50, NOW + timedelta(seconds=tick * step), most, seconds)
    windows = [sum(start <= item < start + seconds for item in gone) for start in gone]

    assert max(windows) <= most
    assert max(windows) >= most * 0.8


def test_unused_rate_limit_permits_can_be_released(services: Services) -> None:
    assert leave(services, 10, NOW) == 10
    with services.sessions.begin() as session:
        release(session, "mail", 4, most=100, seconds=90)

    assert leave(services, 10, NOW) == 4


def test_emails_are_sent_no_faster_than_the_provider_rate(services: Services) -> None:
    plan_emails(services, 12)
    slow = replace(services, settings=replace(services.settings, mail_rate="50/hour"))

    assert send_due_emails(slow, seconds=0.2) == 5
    assert send_due_emails(slow, seconds=0.2) == 0
    assert len(sent(services)) == 5


def test_sender_waits_out_a_short_rate_limit_delay(sqlite_services: Services) -> None:
    plan_emails(sqlite_services, 8)
    brisk = replace(sqlite_services, settings=replace(sqlite_services.settings, mail_rate="50/second"))

    assert send_due_emails(brisk, seconds=5) == 8


def with_subject_b(services: Services) -> None:
    files = leg_day_files()
    name = "emails/sequences.yaml"
    text = files[name].replace(
        "        email: how-to-use\n",
        "        email: how-to-use\n        subject_b: Two minutes for {{ product.name }}\n",
    )
    publish_files(services, {**files, name: text})


def test_second_subject_goes_to_about_half_of_the_orders(services: Services) -> None:
    with_subject_b(services)
    for number in range(40):
        webhook(services, order=str(number), email=f"person{number}@shop.example")
    while process_webhooks(services):
        pass
    planned = [item for item in rows(services, Email) if item.template == "how-to-use"]
    variants = [item.variant for item in planned]
    go_to(services, "how-to-use")
    send_due_emails(services)
    subjects = set(sent(services))

    assert set(variants) == {"a", "b"}
    assert 8 <= variants.count("b") <= 32
    assert {item.variant for item in rows(services, Email) if item.template == "review"} == {""}
    assert len(subjects) == 2
    assert any(subject.startswith("Two minutes for") for subject in subjects)


def test_email_is_due_in_the_time_zone_of_its_order(services: Services) -> None:
    webhook(services, timezone="Pacific/Auckland")
    webhook(services, order="2", timezone="No/Such_Place", email="other@shop.example")
    process_webhooks(services)
    due = {item.trigger_id: item.due_at for item in rows(services, Email) if item.template == "how-to-use"}

    assert (due["1042"] + timedelta(hours=13)).hour == 9
    assert due["2"].hour == 9


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"allowed": False}, False),
        ({"asked": False}, False),
        ({"asked": True}, False),  # An explicit consent counts on its own.
        ({"market": "de"}, False),
        ({"market": None}, False),
        ({"bought_at": NOW - timedelta(days=731)}, False),
        ({"bought_at": None}, False),
    ],
)
def test_soft_opt_in_requires_a_recent_purchase_and_an_eligible_market(change: dict[str, Any], expected: bool) -> None:
    case: dict[str, Any] = {"market": "uk", "allowed": True, "asked": None, "bought_at": NOW - timedelta(days=6)}
    case |= change
    market = case.pop("market")

    assert soft_opt_in_applies(market, **case, now=NOW) is expected


@pytest.mark.parametrize(
    ("allowed", "asked", "state"), [(False, None, "skipped"), (True, None, "sent"), (True, False, "skipped")]
)
def test_soft_opt_in_is_off_until_the_shop_allows_it(
    services: Services, allowed: bool, asked: bool | None, state: str
) -> None:
    with services.sessions.begin() as session:
        shop = shop_by_slug(session, "demo")
        assert isinstance(shop, Shop)
        shop.soft_opt_in = allowed
    webhook(services, accepts_marketing=asked)
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert emails(services)["how-to-use"].state == state
    assert isinstance(services.transport, MemoryTransport)
    for _, message in services.transport.sent:
        assert b"said yes" not in message.as_bytes()  # The shopper was never asked, so the email must not claim a yes.


def test_emails_of_two_recipients_share_no_links_or_order_numbers(services: Services) -> None:
    """An email compiled once for many recipients keeps each recipient's own links and reasons."""
    for number in (1, 2):
        webhook(services, order=f"77{number}", email=f"reader{number}@shop.example")
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)
    assert isinstance(services.transport, MemoryTransport)
    bodies = {to: message.as_bytes() for to, message in services.transport.sent}
    links = {to: str(message["List-Unsubscribe"]).strip("<>") for to, message in services.transport.sent}

    assert len(bodies) == 2
    for to, body in bodies.items():
        other = next(item for item in bodies if item != to)
        html = next(message for who, message in services.transport.sent if who == to).get_body(("html",))
        assert html is not None
        text = html.get_content()
        number = {"reader1@shop.example": "771", "reader2@shop.example": "772"}
        assert links[to] in text
        assert links[other] not in text
        assert number[to] in text
        assert number[other] not in text
        assert b"own.invalid" not in body
    assert EMAIL not in bodies
