"""A signature covers the body and not the topic: a captured delivery does nothing else than it did."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.console_forms import client_in, post
from tests.deliveries import (
    BUYER,
    SHOPIFY_SECRET,
    connected,
    settle_requests,
    shopify,
    shopify_headers,
    shopify_order,
    shopify_refund,
    woo,
    woo_order,
)
from tests.integration.test_chain import rows
from widget.actions.connect_store import connect_store
from widget.actions.handle_hooks import handle_hooks
from widget.actions.receive_hook import receive_hook
from widget.actions.send_letter import send_due_letters
from widget.actions.send_outbox import send_outbox
from widget.actions.settle_privacy import NotWaiting, cancel_privacy_request, carry_out_due
from widget.mail.carrier import MemoryCarrier
from widget.parts import Parts
from widget.storage.connections import Connection
from widget.storage.contacts import Contact, Suppression
from widget.storage.hooks import Hook
from widget.storage.letters import Letter
from widget.storage.orders import Order
from widget.storage.people import person_by_email
from widget.storage.privacy import PrivacyRequest
from widget.storage.shops import Shop

DESTRUCTIVE = ("shop/redact", "customers/redact", "app/uninstalled", "orders/delete")
PRIVACY = "/console/shops/demo/settings/privacy"
BODIES: dict[str, Any] = {
    "orders/create": shopify_order(1),
    "refunds/create": shopify_refund(1),
    "shop/redact": {"shop_id": 1, "shop_domain": "x.myshopify.com"},
    "customers/redact": {
        "shop_id": 1,
        "shop_domain": "x.myshopify.com",
        "customer": {"email": BUYER},
        "orders_to_redact": [],
    },
    "customers/data_request": {
        "shop_id": 1,
        "shop_domain": "x.myshopify.com",
        "customer": {"email": BUYER},
        "orders_requested": [],
        "data_request": {"id": 9},
    },
    "app/uninstalled": {"id": 1, "myshopify_domain": "x.myshopify.com", "email": "o@x.example"},
    "orders/delete": {"id": 1},
    "products/update": {"id": 1, "title": "Cream", "variants": []},
}


def delivered(parts: Parts, topic: str, body: bytes, event: str) -> bool:
    headers = shopify_headers(topic, body, event=event)
    return receive_hook(parts, shop="demo", headers=headers, body=body, door="shopify")


def shop_of(parts: Parts) -> Shop:
    with parts.reads() as session:
        return session.scalars(select(Shop).where(Shop.slug == "demo")).one()


@pytest.mark.parametrize("destructive", DESTRUCTIVE)
@pytest.mark.parametrize("captured", ["orders/create", "refunds/create", "products/update"])
def test_a_captured_delivery_is_no_wish_to_delete(parts: Parts, captured: str, destructive: str) -> None:
    """Later than the two days in which its bytes are known: then the shape of the body is what refuses it."""
    connected(parts)
    shopify(parts, "orders/create", shopify_order())
    handle_hooks(parts)
    parts.clock.move_to(parts.now() + timedelta(days=5))
    delivered(parts, destructive, json.dumps(BODIES[captured]).encode(), "replayed")
    settle_requests(parts)

    assert rows(parts, PrivacyRequest) == []
    assert [contact.email for contact in rows(parts, Contact)] == [BUYER]
    assert rows(parts, Order)[0].cancelled_at is None
    assert not shop_of(parts).paused
    assert "does not have the shape" in [hook.error for hook in rows(parts, Hook)][-1]


def test_the_same_bytes_under_another_topic_and_id_are_a_repeat(parts: Parts) -> None:
    connected(parts)
    body = json.dumps(shopify_order()).encode()

    assert delivered(parts, "orders/create", body, "one")
    assert not delivered(parts, "shop/redact", body, "two")
    assert not delivered(parts, "orders/create", body, "three")
    assert len(rows(parts, Hook)) == 1


def test_each_topic_takes_its_own_shape_and_no_other(sqlite_parts: Parts) -> None:
    from widget.domain.delivery import Unreadable
    from widget.stores.shopify import parse

    for topic in BODIES:
        for other, body in BODIES.items():
            if topic == other:
                assert parse(topic, json.dumps(body).encode(), received_at=sqlite_parts.now())
            elif topic in DESTRUCTIVE:
                with pytest.raises(Unreadable):
                    parse(topic, json.dumps(body).encode(), received_at=sqlite_parts.now())


@pytest.mark.parametrize("topic", ["shop/redact", "app/uninstalled"])
def test_what_is_about_another_store_is_refused(parts: Parts, topic: str) -> None:
    connected(parts)
    connect_store(parts, shop="demo", platform="shopify", address="https://mine.myshopify.com", secret=SHOPIFY_SECRET)
    shopify(parts, topic, {**BODIES[topic], "shop_domain": "x.myshopify.com"})
    settle_requests(parts)

    assert rows(parts, PrivacyRequest) == []
    assert not shop_of(parts).paused
    assert "another store" in rows(parts, Hook)[-1].error


@pytest.mark.parametrize(
    ("topic", "body"),
    [("order.deleted", woo_order()), ("product.updated", woo_order()), ("order.updated", {"id": 727})],
)
def test_woocommerce_topics_take_their_own_shape_alone(parts: Parts, topic: str, body: Any) -> None:
    connected(parts)
    woo(parts, "order.created", woo_order())
    handle_hooks(parts)
    parts.clock.move_to(parts.now() + timedelta(days=5))
    woo(parts, topic, body)
    handle_hooks(parts)

    assert rows(parts, Order)[0].cancelled_at is None
    assert "does not have the shape" in rows(parts, Hook)[-1].error


# What destroys data waits ------------------------------------------------------------------------------


@pytest.fixture
def waiting(parts: Parts) -> Parts:
    """A shop with an owner, a buyer, and a request to forget everybody that has just come."""
    client_in(parts)
    connected(parts)
    shopify(parts, "orders/create", shopify_order())
    handle_hooks(parts)
    shopify(parts, "shop/redact", {})
    handle_hooks(parts)
    return parts


def test_nothing_is_deleted_for_two_days_and_then_it_is(waiting: Parts) -> None:
    parts = waiting
    parts.clock.move_to(parts.now() + timedelta(hours=47))
    carry_out_due(parts)
    assert [contact.email for contact in rows(parts, Contact)] == [BUYER]
    parts.clock.move_to(parts.now() + timedelta(hours=2))
    carry_out_due(parts)

    assert [contact.email for contact in rows(parts, Contact)] == [""]
    assert [(row.state, row.found["contacts"]) for row in rows(parts, PrivacyRequest)] == [("done", 1)]


def test_owners_are_told_by_email_and_nothing_in_it_names_the_customer(waiting: Parts) -> None:
    send_outbox(waiting)
    assert isinstance(waiting.carrier, MemoryCarrier)
    (recipient, message) = waiting.carrier.sent[-1]
    plain = message.get_body(("plain",)).get_content()

    assert recipient == "owner@demo.example"
    assert PRIVACY in plain
    assert BUYER not in plain


def test_an_owner_cancels_it_in_the_console(waiting: Parts) -> None:
    client = client_in(waiting, email="second@demo.example")
    page = client.get(PRIVACY).text
    number = rows(waiting, PrivacyRequest)[0].id
    assert "Delete the data of all customers" in page
    assert re.search(r"Happens ", page)
    assert post(client, f"{PRIVACY}/{number}", do="cancel").status_code == 303
    assert "Cancelled" in client.get(PRIVACY).text
    waiting.clock.move_to(waiting.now() + timedelta(days=3))
    carry_out_due(waiting)

    assert [contact.email for contact in rows(waiting, Contact)] == [BUYER]
    assert rows(waiting, PrivacyRequest)[0].state == "cancelled"


def test_doing_it_at_once_wants_a_tick(waiting: Parts) -> None:
    client = client_in(waiting, email="second@demo.example")
    number = rows(waiting, PrivacyRequest)[0].id
    post(client, f"{PRIVACY}/{number}", do="now")
    assert rows(waiting, PrivacyRequest)[0].state == "waiting"
    post(client, f"{PRIVACY}/{number}", do="now", sure="yes")

    assert rows(waiting, PrivacyRequest)[0].state == "done"
    assert [contact.email for contact in rows(waiting, Contact)] == [""]


def test_nobody_is_written_to_while_their_deletion_waits(parts: Parts) -> None:
    connected(parts)
    shopify(parts, "orders/create", shopify_order())
    shopify(parts, "customers/redact", BODIES["customers/redact"])
    handle_hooks(parts)
    parts.clock.move_to(parts.now() + timedelta(days=1))
    assert [row.reason for row in rows(parts, Suppression)] == ["erasure_pending"]
    parts.clock.move_to(parts.now() + timedelta(days=6))
    send_due_letters(parts)

    assert isinstance(parts.carrier, MemoryCarrier)
    assert parts.carrier.sent == []
    assert "erasure_pending" in {letter.reason for letter in rows(parts, Letter)}


def test_a_cancelled_request_lets_emails_go_on(parts: Parts) -> None:
    client_in(parts)
    connected(parts)
    shopify(parts, "orders/create", shopify_order())
    shopify(parts, "customers/redact", BODIES["customers/redact"])
    handle_hooks(parts)
    with parts.reads() as session:
        owner = person_by_email(session, "owner@demo.example")
    assert owner is not None
    row = rows(parts, PrivacyRequest)[0]
    cancel_privacy_request(parts, shop_id=row.shop_id, number=row.id, by=owner)

    assert rows(parts, Suppression) == []
    with pytest.raises(NotWaiting):
        cancel_privacy_request(parts, shop_id=row.shop_id, number=row.id, by=owner)


def test_an_uninstall_pauses_at_once_keeps_the_key_for_two_days_and_can_be_undone(parts: Parts) -> None:
    client = client_in(parts)
    connect_store(
        parts,
        shop="demo",
        platform="shopify",
        address="https://x.myshopify.com",
        secret=SHOPIFY_SECRET,
        key="shpat_1234567",
    )
    shopify(parts, "app/uninstalled", BODIES["app/uninstalled"])
    handle_hooks(parts)
    assert shop_of(parts).paused
    assert rows(parts, Connection)[0].sealed_key
    post(client, f"{PRIVACY}/{rows(parts, PrivacyRequest)[0].id}", do="cancel")
    assert not shop_of(parts).paused
    assert rows(parts, Connection)[0].uninstalled_at is None

    parts.clock.move_to(parts.now() + timedelta(days=3))
    shopify(parts, "app/uninstalled", {**BODIES["app/uninstalled"], "updated_at": "later"})
    settle_requests(parts)
    assert rows(parts, Connection)[0].sealed_key == ""


def test_another_shops_owner_can_neither_see_nor_cancel(waiting: Parts) -> None:
    from widget.actions.add_shop import add_shop

    add_shop(waiting, "other", name="Other", postal_address="", cart={"kind": "event"})
    stranger = client_in(waiting, shop="other", email="stranger@other.example")
    number = rows(waiting, PrivacyRequest)[0].id
    post(stranger, f"/console/shops/other/settings/privacy/{number}", do="cancel")

    assert rows(waiting, PrivacyRequest)[0].state == "waiting"


def test_a_no_said_while_a_deletion_waits_outlives_it(parts: Parts) -> None:
    from datetime import UTC, datetime

    client_in(parts)
    connected(parts)
    shopify(parts, "orders/create", shopify_order())
    shopify(parts, "customers/redact", BODIES["customers/redact"])
    handle_hooks(parts)
    no = {
        "customer_id": 7115310627314723954,
        "email_address": BUYER,
        "email_marketing_consent": {"state": "unsubscribed", "consent_updated_at": datetime.now(UTC).isoformat()},
    }
    shopify(parts, "customers_email_marketing_consent/update", no)
    handle_hooks(parts)
    with parts.reads() as session:
        owner = person_by_email(session, "owner@demo.example")
    assert owner is not None
    row = rows(parts, PrivacyRequest)[0]
    cancel_privacy_request(parts, shop_id=row.shop_id, number=row.id, by=owner)

    assert [row.reason for row in rows(parts, Suppression)] == ["unsubscribed"]


def test_of_two_requests_that_wait_cancelling_one_leaves_the_hold_of_the_other(parts: Parts) -> None:
    client_in(parts)
    connected(parts)
    shopify(parts, "orders/create", shopify_order())
    for orders in ([1], [2]):
        shopify(parts, "customers/redact", {**BODIES["customers/redact"], "orders_to_redact": orders})
    handle_hooks(parts)
    with parts.reads() as session:
        owner = person_by_email(session, "owner@demo.example")
    assert owner is not None
    row = rows(parts, PrivacyRequest)[0]
    cancel_privacy_request(parts, shop_id=row.shop_id, number=row.id, by=owner)

    assert [row.reason for row in rows(parts, Suppression)] == ["erasure_pending"]


def test_one_request_that_fails_holds_up_no_other(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    import widget.actions.settle_privacy as settling

    connected(parts)
    for orders in ([1], [2]):
        shopify(parts, "customers/redact", {**BODIES["customers/redact"], "orders_to_redact": orders})
    handle_hooks(parts)
    first = rows(parts, PrivacyRequest)[0].id
    original = settling._carry_out

    def carry_out(parts: Parts, session: Any, shop: Any, row: Any) -> None:
        if row.id == first:
            raise ValueError("for good")
        original(parts, session, shop, row)

    monkeypatch.setattr(settling, "_carry_out", carry_out)
    settle_requests(parts)

    assert [row.state for row in rows(parts, PrivacyRequest)] == ["waiting", "done"]
