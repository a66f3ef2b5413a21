"""Folding a store's events into an order: the result does not depend on their sequence or on repeats."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect

from tests.support.deliveries import shopify_order, shopify_refund, woo_order
from widget.actions.orders.record_order import fold, new_order
from widget.domain.orders.order import OrderEvent, kept_lines
from widget.domain.orders.webhook import Unreadable
from widget.storage.orders import Order
from widget.stores import shopify, woocommerce

START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
LINES = [{"id": 1, "sku": "A", "quantity": 2, "price": "4.00"}, {"id": 2, "sku": "B", "quantity": 1, "price": "9.00"}]


def at(minutes: int) -> str:
    return (START + timedelta(minutes=minutes)).isoformat()


@st.composite
def shopify_histories(draw: st.DrawFn) -> list[OrderEvent]:
    """Draw the history of one order as the events that Shopify would send, oldest first."""
    state: dict[str, Any] = {"line_items": LINES, "financial_status": "pending", "created_at": at(0)}
    data: list[tuple[str, dict[str, Any]]] = [("orders/create", dict(state, updated_at=at(0)))]
    for minute in range(1, draw(st.integers(2, 8))):
        step = draw(st.sampled_from(["pay", "fulfil", "deliver", "cancel", "refund", "edit", "delete", "same moment"]))
        updated = at(minute - 1 if step == "same moment" else minute)
        if step == "pay":
            state |= {"financial_status": "paid", "processed_at": updated}
        elif step == "fulfil":
            state |= {"fulfillment_status": "fulfilled", "fulfillments": [{"created_at": updated}]}
        elif step == "deliver":
            state["fulfillments"] = [{"created_at": updated, "updated_at": updated, "shipment_status": "delivered"}]
        elif step == "cancel":
            state["cancelled_at"] = updated
        elif step == "refund":
            refund = shopify_refund(1, draw(st.sampled_from([1, 2])), quantity=1, number=minute)
            refund["created_at"] = updated
            data.append(("refunds/create", refund))
            continue
        elif step == "delete":
            data.append(("orders/delete", {"id": 1}))
            continue
        else:
            state |= {"email": f"{draw(st.sampled_from('abc'))}@shop.example", "total_price": f"{minute}.00"}
            state["buyer_accepts_marketing"] = draw(st.sampled_from([True, False, None]))
        data.append(("orders/updated", dict(state, updated_at=updated)))
    return [_event(topic, body) for topic, body in data]


def _event(topic: str, body: dict[str, Any]) -> OrderEvent:
    whole = shopify_order(1, **body) if topic not in ("refunds/create", "orders/delete") else body
    (event,) = shopify.parse(topic, json.dumps(whole).encode(), received_at=START + timedelta(hours=9))
    assert isinstance(event, OrderEvent)
    return event


def folded(events: list[OrderEvent]) -> dict[str, Any]:
    order, email = new_order(1, events[0]), ""
    for event in events:
        if fold(order, event, email_now=email):
            email = event.email
    return {**{column.key: getattr(order, column.key) for column in inspect(Order).columns}, "email": email}


@settings(max_examples=1000)
@given(shopify_histories(), st.randoms(use_true_random=False))
def test_shuffled_and_repeated_events_give_the_same_order(events: list[OrderEvent], dice: random.Random) -> None:
    shuffled = [*events, *dice.choices(events, k=len(events))]
    dice.shuffle(shuffled)

    assert folded(shuffled) == folded(events)


def test_kept_lines_are_order_lines_minus_refunds_and_returns() -> None:
    lines = [{"line_id": "1", "quantity": 3, "returned": 1}, {"line_id": "2", "quantity": 1}]
    refunds = {"a": {"lines": {"1": 1}}, "b": {"lines": {"1": 1, "2": 1}}}

    assert kept_lines(lines, refunds) == [{"line_id": "1", "quantity": 1, "returned": 1}]
    assert kept_lines(lines, {}) == [{"line_id": "1", "quantity": 2, "returned": 1}, {"line_id": "2", "quantity": 1}]


@pytest.mark.parametrize(
    ("status", "known"),
    [
        ("pending", set()),
        ("failed", set()),
        ("checkout-draft", set()),
        ("on-hold", {"placed"}),
        ("processing", {"placed"}),
        ("completed", {"placed", "fulfilled"}),
        ("cancelled", {"cancelled"}),
        ("trash", {"cancelled"}),
        ("refunded", {"placed", "refunded"}),
        ("a-status-of-a-plugin", set()),
    ],
)
def test_woocommerce_status_sets_the_moments_of_an_order(status: str, known: set[str]) -> None:
    event = woocommerce.order_event(woo_order(status=status, date_paid_gmt=None))

    assert set(event.moments) == known


def test_shopify_total_is_in_minor_units_of_its_currency() -> None:
    def total(amount: object, currency: str) -> int | None:
        return shopify.order_event(shopify_order(total_price=amount, currency=currency)).total

    assert total("398.00", "USD") == 39800
    assert total("398", "USD") == 39800
    assert total("1500", "JPY") == 1500
    assert total("1500.00", "JPY") == 1500
    assert total("1.234", "KWD") == 1234
    assert total(None, "USD") is None


def test_shopify_ids_beyond_2_to_the_53_stay_exact() -> None:
    body = json.dumps(shopify_order(820982911946154508)).encode()
    (event,) = shopify.parse("orders/create", body, received_at=START)

    assert isinstance(event, OrderEvent)
    assert (event.external_id, event.customer_id) == ("820982911946154508", "7115310627314723954")


def test_null_fields_of_a_shopify_order_become_empty() -> None:
    lines = [{"id": 1, "sku": None, "product_id": None, "variant_id": None, "title": "By hand", "quantity": 1}]
    event = shopify.order_event(shopify_order(email=None, customer=None, line_items=lines, note_attributes=None))

    assert (event.email, event.customer_id, event.lines[0].sku) == ("", "", "")


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"id": {}}', b'{"id": 1}', b"\xff\xfe", b'{"a":' * 3000])
@pytest.mark.parametrize("topic", ["orders/create", "refunds/create", "customers/redact"])
def test_signed_shopify_body_without_an_order_is_unreadable(topic: str, body: bytes) -> None:
    with pytest.raises(Unreadable):
        shopify.parse(topic, body, received_at=START)


@pytest.mark.parametrize(
    ("value", "currency", "minor"),
    [
        ("1500.00", "JPY", 1500),
        ("1500", "JPY", 1500),
        ("24.00", "USD", 2400),
        ("2400", "USD", 2400),
        ("1.500", "KWD", 1500),
        ("1500", "KWD", 1500),
        (2400, "EUR", 2400),
        (None, "USD", None),
    ],
)
def test_minor_units_follow_the_currency(value: object, currency: str, minor: int | None) -> None:
    from widget.stores.reading import minor_units

    assert minor_units(value, currency) == minor


def test_generic_order_in_yen_has_no_minor_units() -> None:
    import json
    from datetime import UTC, datetime

    from widget.stores.standard import parse

    order = {
        "id": "1",
        "currency": "JPY",
        "total": "1500.00",
        "lines": [{"line_id": "1", "price": "750.00", "quantity": 2}],
    }
    body = json.dumps({"type": "order.placed", "timestamp": "2026-11-01T00:00:00Z", "data": {"order": order}}).encode()
    (event,) = parse("", body, received_at=datetime.now(UTC))

    assert (event.total, event.lines[0].price) == (1500, 750)  # type: ignore[union-attr]
