"""Simulation of emails: when each would be sent, and why one would not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.deliveries import shopify_order, woo_order
from tests.support.packs import GOOD
from widget.actions.emails.simulate_emails import NoSuchOrder, order_in, simulate_emails
from widget.domain.email.sequence import SENDING
from widget.domain.email.simulation import NOT_YET, Simulated
from widget.domain.engine.live import Engine
from widget.domain.orders.order import OrderEvent, OrderLine, Refund

PLACED = datetime(2026, 11, 20, 22, 30, tzinfo=UTC)
LINE = OrderLine(line_id="1", sku="ROLL-75", quantity=1)
ORDER = OrderEvent(at=PLACED, external_id="1", moments={"placed": PLACED}, accepts_marketing=True, lines=(LINE,))
RED = {"area": ["calves"], "trained": ["yesterday"], "signs": ["breathing"]}


def played(engine: Engine, order: OrderEvent = ORDER, **more: Any) -> dict[str, Simulated]:
    return {simulate_email.email: simulate_email for simulate_email in simulate_emails(engine, order, PLACED, **more)}


def after(days: float, **moments: datetime) -> OrderEvent:
    at = PLACED + timedelta(days=days)
    return replace(ORDER, moments={"placed": PLACED, **dict.fromkeys(moments, at)})


def test_simulated_emails_are_due_at_their_local_hour(leg_day: Engine) -> None:
    found = played(leg_day, zone="America/New_York")

    assert list(found) == ["how-to-use", "check-in", "review", "replenish"]
    assert {item.verdict for item in found.values()} == {SENDING}
    assert found["how-to-use"].at == datetime(2026, 11, 26, 14, 0, tzinfo=UTC)  # 9:00 local time, after five days.


def test_delivery_date_takes_precedence_over_the_order_date(leg_day: Engine) -> None:
    found = played(leg_day, replace(ORDER, moments={"placed": PLACED, "delivered": PLACED + timedelta(days=8)}))

    assert found["how-to-use"].at == datetime(2026, 11, 30, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"accepts_marketing": False}, "no_consent"),
        ({"accepts_marketing": None}, "no_consent"),
        ({"test": True}, "test_order"),
        ({"moments": {"placed": PLACED, "cancelled": PLACED + timedelta(days=1)}}, "order_cancelled"),
        ({"moments": {"placed": PLACED, "refunded": PLACED + timedelta(days=1)}}, "order_refunded"),
        ({"refunds": (Refund("r", PLACED, {"1": 1}),)}, "product_returned"),
        ({"lines": (OrderLine(sku="SOCKS"),)}, "condition"),
    ],
)
def test_simulation_gives_the_reason_for_a_skipped_email(leg_day: Engine, change: dict[str, Any], reason: str) -> None:
    assert played(leg_day, replace(ORDER, **change))["how-to-use"].reason == reason


def test_red_flag_skips_product_emails_but_not_the_result_email(leg_day: Engine) -> None:
    found = played(leg_day, answers=RED)

    assert found["how-to-use"].reason == "not_eligible"
    assert found["result"].verdict == SENDING


def test_review_email_is_skipped_unless_the_how_to_use_email_is_sent(leg_day: Engine) -> None:
    assert played(leg_day, replace(ORDER, accepts_marketing=False))["review"].reason == "no_consent"
    found = {
        simulate_email.email: simulate_email
        for simulate_email in simulate_emails(leg_day, ORDER, PLACED + timedelta(days=12))
    }

    assert found["how-to-use"].reason == "too_late_to_be_of_use"
    assert found["review"].reason == "condition"  # No review request without the how-to-use email before it.


def test_usage_frequency_moves_the_replenish_email_only_with_health_data_consent(leg_day: Engine) -> None:
    daily = {**GOOD, "often": ["daily"]}
    without = played(leg_day, answers=daily)["replenish"].at
    once = played(leg_day, answers={**GOOD, "often": ["once"]}, health_data=True)["replenish"].at
    often = played(leg_day, answers=daily, health_data=True)["replenish"].at

    assert without == played(leg_day)["replenish"].at
    assert without is not None
    assert once is not None
    assert often is not None
    assert once > often


def test_quiet_hours_defer_an_email_to_their_end(leg_day: Engine) -> None:
    found = played(leg_day, quiet=("17:00", "19:30"))

    assert found["check-in"].at is not None
    assert (found["check-in"].at.hour, found["check-in"].at.minute) == (19, 30)
    assert found["check-in"].deferred == ("quiet_hours",)


def test_email_waiting_for_an_order_event_names_the_event(leg_day: Engine) -> None:
    sequences = tuple(
        replace(sequence, trigger="order.delivered") if sequence.id == "after-purchase" else sequence
        for sequence in leg_day.rules.pack.sequences
    )
    engine = Engine.of(replace(leg_day.rules.pack, sequences=sequences))
    found = played(engine)["how-to-use"]

    assert (found.verdict, found.reason, found.at) == (NOT_YET, "no order.delivered yet", None)


def test_simulation_reads_shopify_and_woocommerce_orders() -> None:
    import json

    assert order_in(json.dumps(shopify_order(1)).encode()).external_id == "1"
    assert order_in(json.dumps(woo_order(2)).encode()).external_id == "2"
    for body in (b"", b"[]", b"{}", b'{"type": "order.placed"}'):
        with pytest.raises(NoSuchOrder):
            order_in(body)
