"""A signature covers the body but not the topic: a captured delivery cannot be replayed under another topic."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.support.console_forms import client_in, post
from tests.support.database import rows
from tests.support.deliveries import (
    BODIES,
    BUYER,
    SHOPIFY_SECRET,
    connected,
    settle_requests,
    shopify,
    shopify_headers,
    shopify_order,
    woo,
    woo_order,
)
from widget.actions.emails.send_email import send_due_emails
from widget.actions.emails.send_outbox import send_outbox
from widget.actions.privacy.carry_out_requests import NotWaiting, cancel_privacy_request, carry_out_due
from widget.actions.shops.connect_store import connect_store
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.actions.webhooks.receive_webhook import receive_webhook
from widget.email.transport import MemoryTransport
from widget.services import Services
from widget.storage.connections import Connection
from widget.storage.contacts import Contact, Suppression
from widget.storage.emails import Email
from widget.storage.orders import Order
from widget.storage.privacy import PrivacyRequest
from widget.storage.shops import Shop
from widget.storage.users import user_by_email
from widget.storage.webhook_deliveries import WebhookDelivery

DESTRUCTIVE = ("shop/redact", "customers/redact", "app/uninstalled", "orders/delete")
PRIVACY = "/console/shops/demo/settings/privacy"


def delivered(services: Services, topic: str, body: bytes, event: str) -> bool:
    headers = shopify_headers(topic, body, event=event)
    return receive_webhook(services, shop="demo", headers=headers, body=body, source="shopify")


def shop_of(services: Services) -> Shop:
    with services.reads() as session:
        return session.scalars(select(Shop).where(Shop.slug == "demo")).one()


@pytest.mark.parametrize("destructive", DESTRUCTIVE)
@pytest.mark.parametrize("captured", ["orders/create", "refunds/create", "products/update"])
def test_captured_webhook_replayed_under_a_destructive_topic_is_refused(
    services: Services, captured: str, destructive: str
) -> None:
    """After the two days in which repeated bytes are recognized, the shape of the body is what refuses it."""
    connected(services)
    shopify(services, "orders/create", shopify_order())
    process_webhooks(services)
    services.clock.move_to(services.now() + timedelta(days=5))
    delivered(services, destructive, json.dumps(BODIES[captured]).encode(), "replayed")
    settle_requests(services)

    assert rows(services, PrivacyRequest) == []
    assert [contact.email for contact in rows(services, Contact)] == [BUYER]
    assert rows(services, Order)[0].cancelled_at is None
    assert not shop_of(services).paused
    assert "does not match the format" in [delivery.error for delivery in rows(services, WebhookDelivery)][-1]


def test_same_webhook_bytes_under_another_topic_and_id_are_a_duplicate(services: Services) -> None:
    connected(services)
    body = json.dumps(shopify_order()).encode()

    assert delivered(services, "orders/create", body, "one")
    assert not delivered(services, "shop/redact", body, "two")
    assert not delivered(services, "orders/create", body, "three")
    assert len(rows(services, WebhookDelivery)) == 1


def test_destructive_topics_accept_only_their_own_body_shape(sqlite_services: Services) -> None:
    from widget.domain.orders.webhook import Unreadable
    from widget.stores.shopify import parse

    for topic in BODIES:
        for other, body in BODIES.items():
            if topic == other:
                assert parse(topic, json.dumps(body).encode(), received_at=sqlite_services.now())
            elif topic in DESTRUCTIVE:
                with pytest.raises(Unreadable):
                    parse(topic, json.dumps(body).encode(), received_at=sqlite_services.now())


@pytest.mark.parametrize("topic", ["shop/redact", "app/uninstalled"])
def test_webhook_about_another_store_is_refused(services: Services, topic: str) -> None:
    connected(services)
    connect_store(
        services, shop="demo", platform="shopify", address="https://mine.myshopify.com", secret=SHOPIFY_SECRET
    )
    shopify(services, topic, {**BODIES[topic], "shop_domain": "x.myshopify.com"})
    settle_requests(services)

    assert rows(services, PrivacyRequest) == []
    assert not shop_of(services).paused
    assert "a store other than" in rows(services, WebhookDelivery)[-1].error


@pytest.mark.parametrize(
    ("topic", "body"),
    [("order.deleted", woo_order()), ("product.updated", woo_order()), ("order.updated", {"id": 727})],
)
def test_woocommerce_topics_accept_only_their_own_body_shape(services: Services, topic: str, body: Any) -> None:
    connected(services)
    woo(services, "order.created", woo_order())
    process_webhooks(services)
    services.clock.move_to(services.now() + timedelta(days=5))
    woo(services, topic, body)
    process_webhooks(services)

    assert rows(services, Order)[0].cancelled_at is None
    assert "does not match the format" in rows(services, WebhookDelivery)[-1].error


# Destructive requests wait -----------------------------------------------------------------------------


@pytest.fixture
def waiting(services: Services) -> Services:
    """Return the services of a shop with an owner, a buyer, and a newly received request to erase all customers."""
    client_in(services)
    connected(services)
    shopify(services, "orders/create", shopify_order())
    process_webhooks(services)
    shopify(services, "shop/redact", {})
    process_webhooks(services)
    return services


def test_shop_redact_is_carried_out_after_two_days(waiting: Services) -> None:
    services = waiting
    services.clock.move_to(services.now() + timedelta(hours=47))
    carry_out_due(services)
    assert [contact.email for contact in rows(services, Contact)] == [BUYER]
    services.clock.move_to(services.now() + timedelta(hours=2))
    carry_out_due(services)

    assert [contact.email for contact in rows(services, Contact)] == [""]
    assert [(row.state, row.found["contacts"]) for row in rows(services, PrivacyRequest)] == [("done", 1)]


def test_privacy_request_email_to_owners_names_no_customer(waiting: Services) -> None:
    send_outbox(waiting)
    assert isinstance(waiting.transport, MemoryTransport)
    (recipient, message) = waiting.transport.sent[-1]
    plain = message.get_body(("plain",)).get_content()

    assert recipient == "owner@demo.example"
    assert PRIVACY in plain
    assert BUYER not in plain


def test_owner_cancels_a_privacy_request_in_the_console(waiting: Services) -> None:
    client = client_in(waiting, email="second@demo.example")
    page = client.get(PRIVACY).text
    number = rows(waiting, PrivacyRequest)[0].id
    assert "Delete the data of all customers" in page
    assert re.search(r"Scheduled for ", page)
    assert post(client, f"{PRIVACY}/{number}", do="cancel").status_code == 303
    assert "Canceled" in client.get(PRIVACY).text
    waiting.clock.move_to(waiting.now() + timedelta(days=3))
    carry_out_due(waiting)

    assert [contact.email for contact in rows(waiting, Contact)] == [BUYER]
    assert rows(waiting, PrivacyRequest)[0].state == "cancelled"


def test_carrying_out_a_privacy_request_at_once_requires_confirmation(waiting: Services) -> None:
    client = client_in(waiting, email="second@demo.example")
    number = rows(waiting, PrivacyRequest)[0].id
    post(client, f"{PRIVACY}/{number}", do="now")
    assert rows(waiting, PrivacyRequest)[0].state == "waiting"
    post(client, f"{PRIVACY}/{number}", do="now", sure="yes")

    assert rows(waiting, PrivacyRequest)[0].state == "done"
    assert [contact.email for contact in rows(waiting, Contact)] == [""]


def test_person_with_a_pending_erasure_gets_no_email(services: Services) -> None:
    connected(services)
    shopify(services, "orders/create", shopify_order())
    shopify(services, "customers/redact", BODIES["customers/redact"])
    process_webhooks(services)
    services.clock.move_to(services.now() + timedelta(days=1))
    assert [row.reason for row in rows(services, Suppression)] == ["erasure_pending"]
    services.clock.move_to(services.now() + timedelta(days=6))
    send_due_emails(services)

    assert isinstance(services.transport, MemoryTransport)
    assert services.transport.sent == []
    assert "erasure_pending" in {email.reason for email in rows(services, Email)}


def test_canceled_erasure_request_lifts_the_suppression(services: Services) -> None:
    client_in(services)
    connected(services)
    shopify(services, "orders/create", shopify_order())
    shopify(services, "customers/redact", BODIES["customers/redact"])
    process_webhooks(services)
    with services.reads() as session:
        owner = user_by_email(session, "owner@demo.example")
    assert owner is not None
    row = rows(services, PrivacyRequest)[0]
    cancel_privacy_request(services, shop_id=row.shop_id, number=row.id, by=owner)

    assert rows(services, Suppression) == []
    with pytest.raises(NotWaiting):
        cancel_privacy_request(services, shop_id=row.shop_id, number=row.id, by=owner)


def test_uninstall_pauses_at_once_can_be_undone_and_drops_the_key_after_two_days(services: Services) -> None:
    client = client_in(services)
    connect_store(
        services,
        shop="demo",
        platform="shopify",
        address="https://x.myshopify.com",
        secret=SHOPIFY_SECRET,
        key="shpat_1234567",
    )
    shopify(services, "app/uninstalled", BODIES["app/uninstalled"])
    process_webhooks(services)
    assert shop_of(services).paused
    assert rows(services, Connection)[0].encrypted_key
    post(client, f"{PRIVACY}/{rows(services, PrivacyRequest)[0].id}", do="cancel")
    assert not shop_of(services).paused
    assert rows(services, Connection)[0].uninstalled_at is None

    services.clock.move_to(services.now() + timedelta(days=3))
    shopify(services, "app/uninstalled", {**BODIES["app/uninstalled"], "updated_at": "later"})
    settle_requests(services)
    assert rows(services, Connection)[0].encrypted_key == ""


def test_owner_of_another_shop_cannot_cancel_a_privacy_request(waiting: Services) -> None:
    from widget.actions.shops.add_shop import add_shop

    add_shop(waiting, "other", name="Other", postal_address="", cart={"kind": "event"})
    stranger = client_in(waiting, shop="other", email="stranger@other.example")
    number = rows(waiting, PrivacyRequest)[0].id
    post(stranger, f"/console/shops/other/settings/privacy/{number}", do="cancel")

    assert rows(waiting, PrivacyRequest)[0].state == "waiting"


def test_unsubscribe_during_a_pending_erasure_outlives_its_cancellation(services: Services) -> None:
    from datetime import UTC, datetime

    client_in(services)
    connected(services)
    shopify(services, "orders/create", shopify_order())
    shopify(services, "customers/redact", BODIES["customers/redact"])
    process_webhooks(services)
    no = {
        "customer_id": 7115310627314723954,
        "email_address": BUYER,
        "email_marketing_consent": {"state": "unsubscribed", "consent_updated_at": datetime.now(UTC).isoformat()},
    }
    shopify(services, "customers_email_marketing_consent/update", no)
    process_webhooks(services)
    with services.reads() as session:
        owner = user_by_email(session, "owner@demo.example")
    assert owner is not None
    row = rows(services, PrivacyRequest)[0]
    cancel_privacy_request(services, shop_id=row.shop_id, number=row.id, by=owner)

    assert [row.reason for row in rows(services, Suppression)] == ["unsubscribed"]


def test_canceling_one_of_two_erasure_requests_keeps_the_suppression(services: Services) -> None:
    client_in(services)
    connected(services)
    shopify(services, "orders/create", shopify_order())
    for orders in ([1], [2]):
        shopify(services, "customers/redact", {**BODIES["customers/redact"], "orders_to_redact": orders})
    process_webhooks(services)
    with services.reads() as session:
        owner = user_by_email(session, "owner@demo.example")
    assert owner is not None
    row = rows(services, PrivacyRequest)[0]
    cancel_privacy_request(services, shop_id=row.shop_id, number=row.id, by=owner)

    assert [row.reason for row in rows(services, Suppression)] == ["erasure_pending"]


def test_failing_privacy_request_does_not_block_others(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    import widget.actions.privacy.carry_out_requests as settling

    connected(services)
    for orders in ([1], [2]):
        shopify(services, "customers/redact", {**BODIES["customers/redact"], "orders_to_redact": orders})
    process_webhooks(services)
    first = rows(services, PrivacyRequest)[0].id
    original = settling._carry_out

    def carry_out(services: Services, session: Any, shop: Any, row: Any) -> None:
        if row.id == first:
            raise ValueError("for good")
        original(services, session, shop, row)

    monkeypatch.setattr(settling, "_carry_out", carry_out)
    settle_requests(services)

    assert [row.state for row in rows(services, PrivacyRequest)] == ["waiting", "done"]
