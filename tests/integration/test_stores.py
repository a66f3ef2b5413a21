"""Shopify and WooCommerce webhooks on both databases: verified, stored, merged, and never emailed by mistake."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

from tests.support.database import rows
from tests.support.deliveries import (
    BUYER,
    PAYLOADS,
    SHOPIFY_SECRET,
    connected,
    settle_requests,
    shopify,
    shopify_headers,
    shopify_order,
    shopify_refund,
    signature,
    woo,
    woo_headers,
    woo_order,
)
from tests.support.emails import emails, go_to, sent
from tests.support.services import client_of
from widget.actions.emails.send_email import send_due_emails
from widget.actions.shops.connect_store import BadConnection, connect_store
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.actions.webhooks.receive_webhook import receive_webhook
from widget.crypto import DATA_COPY
from widget.domain.orders.webhook import BadSignature
from widget.email.transport import MemoryTransport
from widget.services import Services
from widget.storage.contacts import Consent, Contact, Suppression, contact_for
from widget.storage.emails import Email
from widget.storage.orders import Order
from widget.storage.privacy import PrivacyRequest
from widget.storage.shops import Shop
from widget.storage.webhook_deliveries import WebhookDelivery

ORDER = 5820982911946154508
LATER = timedelta(minutes=5)


def only_order(services: Services) -> Order:
    (order,) = rows(services, Order)
    return order


# Signatures ------------------------------------------------------------------------------------------


def test_shopify_signature_covers_the_exact_bytes(services: Services) -> None:
    connected(services)
    body = (PAYLOADS / "shopify" / "orders.paid.constructed.body.json").read_bytes()
    headers = {
        "x-shopify-topic": "orders/paid",
        "x-shopify-hmac-sha256": "eUYWMj8otuDxn+PzIZYsMzy6F3xgTRlQPX9O6Q5neZI=",
        "x-shopify-event-id": "98880550-7158-44d4-b7cd-2c97c8a091b5",
    }
    assert receive_webhook(services, shop="demo", headers=headers, body=body, source="shopify")
    process_webhooks(services)
    order = only_order(services)

    assert (order.external_id, order.number, order.total) == ("5820982911946154508", "#10482", 9155)
    assert order.customer_id == "7115310627314723954"
    assert order.accepts_marketing is False
    assert order.paid_at is not None
    for change in (body + b" ", json.dumps(json.loads(body)).encode(), body.replace(b"\n", b"\r\n")):
        with pytest.raises(BadSignature):
            receive_webhook(services, shop="demo", headers=headers, body=change, source="shopify")


@pytest.mark.parametrize("given", ["", "AAAA", "not base64 €", signature("another secret", b"{}")])
def test_bad_signature_returns_401_and_stores_nothing(sqlite_services: Services, given: str) -> None:
    connected(sqlite_services)
    client = client_of(sqlite_services)
    for source, header in (("shopify", "X-Shopify-Hmac-Sha256"), ("woocommerce", "X-WC-Webhook-Signature")):
        answer = client.post(f"/webhooks/demo/{source}", data=b"{}", headers={header: given.encode().decode("latin-1")})
        assert answer.status_code == 401
        assert answer.get_json()["code"] == "bad_signature"
    assert rows(sqlite_services, WebhookDelivery) == []


def test_webhook_of_an_unconnected_store_is_refused(sqlite_services: Services) -> None:
    with pytest.raises(BadSignature):
        shopify(sqlite_services, "orders/create", shopify_order())


def test_old_store_secret_stays_valid_for_a_day_after_a_change(sqlite_services: Services) -> None:
    services = connected(sqlite_services)
    connect_store(services, shop="demo", platform="shopify", secret="shpss_the_next_secret_of_it")
    body = json.dumps(shopify_order()).encode()

    def taken(secret: str) -> bool:
        headers = shopify_headers("orders/create", body, secret=secret)
        try:
            receive_webhook(services, shop="demo", headers=headers, body=body, source="shopify")
        except BadSignature:
            return False
        return True

    assert taken(SHOPIFY_SECRET)
    assert taken("shpss_the_next_secret_of_it")
    services.clock.move_to(services.now() + timedelta(hours=25))
    assert not taken(SHOPIFY_SECRET)
    assert taken("shpss_the_next_secret_of_it")


def test_woocommerce_unsigned_ping_is_accepted_and_ignored(sqlite_services: Services) -> None:
    client = client_of(connected(sqlite_services))
    ping = {"data": "webhook_id=9", "content_type": "application/x-www-form-urlencoded"}

    assert client.post("/webhooks/demo/woocommerce", **ping).status_code == 200
    assert client.post("/webhooks/demo/woocommerce", **{**ping, "data": "webhook_id=9&x=1"}).status_code == 401
    assert client.post("/webhooks/demo/shopify", **ping).status_code == 401
    assert rows(sqlite_services, WebhookDelivery) == []


def test_woocommerce_secret_is_accepted_with_html_entities(sqlite_services: Services) -> None:
    connect_store(
        sqlite_services, shop="demo", platform="woocommerce", secret="it&#039;s &quot;secret&quot; &amp; long"
    )
    body = json.dumps(woo_order()).encode()
    headers = woo_headers("order.created", body, secret='it\'s "secret" & long')

    assert receive_webhook(sqlite_services, shop="demo", headers=headers, body=body, source="woocommerce")


def test_webhook_of_an_unknown_platform_returns_404(sqlite_services: Services) -> None:
    client = client_of(sqlite_services)
    assert client.post("/webhooks/demo/magento", data=b"{}").status_code == 404
    assert client.post("/webhooks/demo/mail/message", data=b"{}").status_code == 404


# Duplicates and order of arrival -----------------------------------------------------------------------


def test_fifty_concurrent_copies_of_a_webhook_have_one_effect(services: Services) -> None:
    connected(services)
    order, fresh = shopify_order(), []
    threads = [
        threading.Thread(target=lambda: fresh.append(shopify(services, "orders/create", order, event="e1")))
        for _ in range(50)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    process_webhooks(services)

    assert fresh.count(True) == 1
    assert len(rows(services, WebhookDelivery)) == len(rows(services, Order)) == 1
    assert len({(email.sequence, email.step) for email in rows(services, Email)}) == len(rows(services, Email))


def test_same_event_on_two_topics_has_one_effect(services: Services) -> None:
    connected(services)
    shopify(services, "orders/create", shopify_order(), event="e1")
    shopify(services, "orders/paid", shopify_order(), event="e1")
    process_webhooks(services)

    assert len(rows(services, Order)) == 1
    assert len(rows(services, Email)) == 4


def test_order_created_after_its_cancellation_gets_no_email(services: Services) -> None:
    connected(services)
    now = datetime.now(UTC)
    cancelled = shopify_order(cancelled_at=now.isoformat(), updated_at=(now + LATER).isoformat())
    shopify(services, "orders/cancelled", cancelled)
    process_webhooks(services)
    shopify(services, "orders/create", shopify_order())
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert emails(services)["how-to-use"].reason == "order_cancelled"
    assert sent(services) == []


@pytest.mark.parametrize("first", ["create", "delete"])
def test_deleted_order_gets_no_email(services: Services, first: str) -> None:
    connected(services)
    lines = [("order.created", woo_order()), ("order.deleted", {"id": 727})]
    for topic, body in lines if first == "create" else lines[::-1]:
        woo(services, topic, body)
        process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert only_order(services).cancelled_at is not None
    assert sent(services) == []


def test_test_orders_get_no_email(services: Services) -> None:
    connected(services)
    shopify(services, "orders/create", shopify_order())
    shopify(services, "orders/updated", shopify_order(test=True))
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert emails(services)["how-to-use"].reason == "test_order"


@pytest.mark.parametrize(
    ("flag", "state", "expected"),
    [
        (True, "subscribed", True),
        (True, "not_subscribed", False),
        (True, "unsubscribed", False),
        (False, "subscribed", False),
        (True, "", True),
        (None, "subscribed", True),
        (None, "pending", False),
        (None, "", None),
    ],
)
def test_contradictory_shopify_consent_counts_as_no_consent(
    services: Services, flag: bool | None, state: str, expected: bool | None
) -> None:
    connected(services)
    customer = {"id": 1, "email_marketing_consent": {"state": state} if state else None}
    shopify(services, "orders/create", shopify_order(buyer_accepts_marketing=flag, customer=customer))
    process_webhooks(services)

    assert only_order(services).accepts_marketing is expected


def test_unpaid_woocommerce_order_plans_no_email(services: Services) -> None:
    connected(services)
    woo(services, "order.created", woo_order(status="pending", date_paid_gmt=None))
    process_webhooks(services)
    assert (only_order(services).placed_at, rows(services, Email)) == (None, [])

    woo(services, "order.updated", woo_order(status="processing"))
    process_webhooks(services)
    assert only_order(services).placed_at is not None
    assert len(rows(services, Email)) == 4


def test_refunded_order_gets_no_email(services: Services) -> None:
    connected(services)
    shopify(services, "orders/create", shopify_order())
    process_webhooks(services)
    shopify(services, "refunds/create", shopify_refund(ORDER))
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert only_order(services).refunded_at is not None
    assert emails(services)["how-to-use"].reason == "order_refunded"


def test_refund_received_before_its_order_is_applied(services: Services) -> None:
    connected(services)
    shopify(services, "refunds/create", shopify_refund(ORDER))
    shopify(services, "orders/create", shopify_order())
    process_webhooks(services)

    assert only_order(services).refunded_at is not None
    assert "how-to-use" not in emails(services)


def test_email_about_a_returned_product_is_skipped(services: Services) -> None:
    connected(services)
    lines = [*shopify_order()["line_items"], {"id": 9, "sku": "SOCKS", "title": "Socks", "quantity": 1}]
    shopify(services, "orders/create", shopify_order(line_items=lines))
    shopify(services, "refunds/create", shopify_refund(ORDER))
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert only_order(services).refunded_at is None
    assert emails(services)["how-to-use"].reason == "product_returned"


def test_emails_go_to_the_corrected_address(services: Services) -> None:
    connected(services)
    shopify(services, "orders/create", shopify_order(email="typo@shop.example"))
    process_webhooks(services)
    later = (datetime.now(UTC) + LATER).isoformat()
    shopify(services, "orders/updated", shopify_order(updated_at=later))
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert isinstance(services.transport, MemoryTransport)
    assert [to for to, _ in services.transport.sent] == [BUYER]


def test_reordered_product_gets_no_replenish_email(services: Services) -> None:
    connected(services)
    shopify(services, "orders/create", shopify_order(1))
    later = (datetime.now(UTC) + timedelta(days=2)).isoformat()
    shopify(services, "orders/create", shopify_order(2, created_at=later, updated_at=later))
    process_webhooks(services)
    first = min(order.id for order in rows(services, Order))
    reminder = next(
        email for email in rows(services, Email) if email.template == "replenish" and email.order_id == first
    )
    services.clock.move_to(reminder.due_at + timedelta(minutes=1))
    send_due_emails(services)

    with services.reads() as session:
        assert session.get_one(Email, reminder.id).reason == "reordered"


# Consent changes ---------------------------------------------------------------------------------------


def consent(state: str, at: datetime, **change: Any) -> dict[str, Any]:
    data = {"state": state, "opt_in_level": "single_opt_in", "consent_updated_at": at.isoformat()}
    return {"customer_id": 7115310627314723954, "email_address": BUYER, "email_marketing_consent": data, **change}


CONSENT = "customers_email_marketing_consent/update"


def test_unsubscribing_in_the_store_stops_planned_emails(services: Services) -> None:
    connected(services)
    shopify(services, "orders/create", shopify_order())
    process_webhooks(services)
    shopify(services, CONSENT, consent("unsubscribed", datetime.now(UTC)))
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert emails(services)["how-to-use"].reason == "unsubscribed"


def test_subscribing_in_the_store_does_not_undo_an_unsubscribe(services: Services) -> None:
    connected(services)
    now = datetime.now(UTC)
    shopify(services, "orders/create", shopify_order())
    shopify(services, CONSENT, consent("unsubscribed", now - LATER))
    shopify(services, CONSENT, consent("subscribed", now))
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert sent(services) == []


def test_unsubscribe_by_customer_id_alone_suppresses_the_person(services: Services) -> None:
    connected(services)
    shopify(services, "orders/create", shopify_order())
    shopify(services, CONSENT, consent("unsubscribed", datetime.now(UTC), email_address=None))
    process_webhooks(services)

    assert [suppression.reason for suppression in rows(services, Suppression)] == ["unsubscribed"]


def test_unsubscribe_of_an_unknown_person_stores_only_a_suppression(services: Services) -> None:
    connected(services)
    shopify(services, CONSENT, consent("unsubscribed", datetime.now(UTC)))
    process_webhooks(services)

    assert rows(services, Contact) == []
    assert len(rows(services, Suppression)) == 1


# Privacy -----------------------------------------------------------------------------------------------


def known_user(services: Services) -> None:
    connected(services)
    shopify(services, "orders/create", shopify_order())
    shopify(services, CONSENT, consent("subscribed", datetime.now(UTC)))
    process_webhooks(services)


@pytest.mark.parametrize(
    "customer",
    [{"email": "Buyer@Shop.Example"}, {"id": 7115310627314723954}, {"id": 7115310627314723954, "email": BUYER}, {}],
)
def test_person_is_erased_by_customer_id_email_or_orders(services: Services, customer: dict[str, Any]) -> None:
    known_user(services)
    listed = [] if customer else [ORDER]
    shopify(services, "customers/redact", {"shop_id": 954889, "customer": customer, "orders_to_redact": listed})
    settle_requests(services)
    (receipt,) = rows(services, PrivacyRequest)

    assert (receipt.kind, receipt.found["contacts"], receipt.found["orders"]) == ("customer_redact", 1, 1)
    assert [contact.email for contact in rows(services, Contact)] == [""]
    assert rows(services, Consent) == []
    assert (only_order(services).customer_id, only_order(services).lines, only_order(services).contact_id) == (
        "",
        [],
        None,
    )
    assert all(webhook_delivery.body == b"" for webhook_delivery in rows(services, WebhookDelivery))
    go_to(services, "how-to-use")
    assert send_due_emails(services) == 0


def test_redact_request_with_only_an_email_erases_the_person(services: Services) -> None:
    known_user(services)
    body = (PAYLOADS / "shopify" / "customers_redact.email-only.constructed.json").read_bytes()
    shopify(services, "customers/redact", body.replace(b"john@example.com", BUYER.encode()))
    settle_requests(services)

    assert rows(services, PrivacyRequest)[0].found["contacts"] == 1


def test_data_request_stores_an_encrypted_copy_for_the_shop(services: Services) -> None:
    known_user(services)
    request = {"customer": {"id": 7115310627314723954}, "orders_requested": [ORDER], "data_request": {"id": 9999}}
    shopify(services, "customers/data_request", request, event="d1")
    shopify(services, "customers/data_request", request, event="d1")
    process_webhooks(services)
    (receipt,) = rows(services, PrivacyRequest)
    copy = json.loads(services.crypto.decrypt(receipt.encrypted_copy, DATA_COPY))

    assert BUYER not in receipt.encrypted_copy
    assert copy["contacts"][0]["email"] == BUYER
    assert copy["orders"][0]["id"] == str(ORDER)
    assert copy["consents"][0]["state"] == "granted"
    assert rows(services, Contact)[0].email == BUYER


def test_shop_redact_erases_only_that_shop(services: Services) -> None:
    from widget.actions.shops.add_shop import add_shop

    add_shop(services, "other", name="Other")
    known_user(services)
    connect_store(services, shop="other", platform="shopify", secret=SHOPIFY_SECRET)
    body = json.dumps(shopify_order(1)).encode()
    receive_webhook(services, shop="other", headers=shopify_headers("orders/create", body), body=body, source="shopify")
    process_webhooks(services)
    shopify(services, "shop/redact", {"shop_id": 954889, "shop_domain": "x.myshopify.com"})
    settle_requests(services)

    assert sorted(contact.email for contact in rows(services, Contact)) == ["", BUYER]


def test_uninstalling_the_app_pauses_the_shop(services: Services) -> None:
    connected(services)
    shopify(services, "app/uninstalled", {"id": 954889, "myshopify_domain": "x.myshopify.com"})
    process_webhooks(services)

    with services.reads() as session:
        assert session.scalars(select(Shop).where(Shop.slug == "demo")).one().paused


# Connecting --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"platform": "magento"}, "platform"),
        ({"platform": "shopify", "secret": "short"}, "secret"),
        ({"platform": "shopify", "address": "http://10.0.0.1"}, "address"),
        ({"platform": "woocommerce", "key": "no-colon"}, "key"),
        ({"platform": "ses", "secret": "not-an-arn-but-long-enough"}, "secret"),
        ({"platform": "postmark", "secret": "passwordonly"}, "secret"),
    ],
)
def test_invalid_connection_is_refused_with_its_field(
    sqlite_services: Services, given: dict[str, str], field: str
) -> None:
    with pytest.raises(BadConnection) as refused:
        connect_store(sqlite_services, shop="demo", **given)  # type: ignore[arg-type]  # All values are strings.
    assert set(refused.value.fields) == {field}


# Edge cases -------------------------------------------------------------------------------------------


def test_refund_stored_by_an_older_version_is_kept(services: Services) -> None:
    connected(services)
    shopify(services, "orders/create", shopify_order())
    process_webhooks(services)
    with services.sessions.begin() as session:
        row = session.scalars(select(Order)).one()
        row.refunded_at, row.field_timestamps, row.refunds = (
            services.now(),
            {},
            {},
        )  # As stored by an older version.
    later = (datetime.now(UTC) - LATER).isoformat()
    shopify(services, "orders/fulfilled", shopify_order(updated_at=later, name="#old"))
    process_webhooks(services)

    assert only_order(services).refunded_at is not None
    assert only_order(services).number == "#1042"


@pytest.mark.parametrize("email", [BUYER, "Jon@Bücher.example", "jon@xn--bcher-kva.example"])
def test_erased_person_stays_erased_after_later_events(services: Services, email: str) -> None:
    from widget.actions.email_events.record_email_event import record_email_events
    from widget.domain.email.email_event import HARD_BOUNCE, EmailReport

    connected(services)
    shopify(services, "orders/create", shopify_order(email=email))
    process_webhooks(services)
    shopify(services, "customers/redact", {"customer": {"email": email}, "orders_to_redact": []})
    settle_requests(services)
    with services.sessions.begin() as session:
        shop = session.scalars(select(Shop).where(Shop.slug == "demo")).one()
        record_email_events(services, session, shop, [EmailReport(HARD_BOUNCE, "late", email)])
    shopify(services, "orders/updated", shopify_order(email=email))
    process_webhooks(services)

    assert [contact.email for contact in rows(services, Contact)] == [""]
    assert {suppression.reason for suppression in rows(services, Suppression)} == {"erased"}
    assert only_order(services).lines == []


def test_unsubscribe_suppresses_every_address_of_a_customer(services: Services) -> None:
    connected(services)
    shopify(services, "orders/create", shopify_order(1, email="jon@shop.example"))
    shopify(services, "orders/create", shopify_order(2, email="other@shop.example"))
    shopify(services, CONSENT, consent("unsubscribed", datetime.now(UTC), email_address="john@shop.example"))
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)

    assert sent(services) == []
    assert len(rows(services, Suppression)) == 3


def test_corrected_address_replaces_a_failed_one_without_its_result(services: Services) -> None:
    connected(services)
    shopify(services, "orders/create", shopify_order(email="typo@shop.example"))
    process_webhooks(services)
    with services.sessions.begin() as session:
        for email in session.scalars(select(Email)):
            email.attempts, email.result_code = 1, "encrypted"
    later = (datetime.now(UTC) + LATER).isoformat()
    shopify(services, "orders/updated", shopify_order(updated_at=later))
    process_webhooks(services)
    right = next(contact.id for contact in rows(services, Contact) if contact.email == BUYER)

    assert {(item.contact_id, item.result_code) for item in rows(services, Email)} == {(right, "")}


@pytest.mark.parametrize("first", ["good", "bad"])
def test_invalid_email_address_on_an_order_is_ignored(services: Services, first: str) -> None:
    connected(services)
    later = (datetime.now(UTC) + LATER).isoformat()
    lines = [shopify_order(), shopify_order(email="not an address", updated_at=later)]
    for body in lines if first == "good" else lines[::-1]:
        shopify(services, "orders/updated", body)
        process_webhooks(services)

    assert [contact.email for contact in rows(services, Contact)] == [BUYER]
    assert len(rows(services, Email)) == 4


def test_erasing_a_person_deletes_the_copy_of_their_data_request(services: Services) -> None:
    known_user(services)
    shopify(services, "customers/data_request", {"customer": {"email": BUYER}}, event="d")
    process_webhooks(services)
    shopify(services, "customers/redact", {"customer": {"email": BUYER}, "orders_to_redact": []}, event="r")
    settle_requests(services)

    assert {privacy_request.encrypted_copy for privacy_request in rows(services, PrivacyRequest)} == {""}


def test_erasing_a_person_twice_keeps_the_deliveries_of_others(services: Services) -> None:
    known_user(services)
    shopify(services, "customers/redact", {"customer": {"email": BUYER}, "orders_to_redact": []}, event="r")
    settle_requests(services)
    shopify(services, "orders/create", {"id": 9, "email": "else@shop.example", "line_items": "odd"})
    process_webhooks(services)
    shopify(services, "customers/redact", {"customer": {"email": BUYER}, "orders_to_redact": []}, event="r2")
    settle_requests(services)

    (failed,) = [
        webhook_delivery for webhook_delivery in rows(services, WebhookDelivery) if webhook_delivery.state == "failed"
    ]
    assert b"else@shop.example" in failed.body


def test_internationalized_email_domain_is_sent_as_punycode(services: Services) -> None:
    connected(services)
    shopify(services, "orders/create", shopify_order(email="jon@bücher.example"))
    process_webhooks(services)
    go_to(services, "how-to-use")
    send_due_emails(services)
    assert isinstance(services.transport, MemoryTransport)
    (_, message) = services.transport.sent[0]

    assert message["To"] == "jon@xn--bcher-kva.example"
    assert b"To: jon@xn--bcher-kva.example\r\n" in message.as_bytes()


def test_email_trigger_id_contains_no_part_of_the_result_code(services: Services) -> None:
    from tests.support.shoppers import ask

    code = ask(services, health_data=True)
    send_due_emails(services)

    for email in rows(services, Email):
        assert code[-24:] not in email.trigger_id
        assert code[-8:] not in email.trigger_id


def test_repeated_partial_refund_is_counted_once(services: Services) -> None:
    connected(services)
    lines = [*shopify_order()["line_items"], {"id": 9, "sku": "SOCKS", "title": "Socks", "quantity": 1}]
    shopify(services, "orders/create", shopify_order(line_items=lines, total_price="40.00"))
    shopify(services, "refunds/create", shopify_refund(ORDER))
    shopify(services, "refunds/create", shopify_refund(ORDER))
    process_webhooks(services)

    assert (only_order(services).total, only_order(services).refunded, only_order(services).refunded_at) == (
        4000,
        2800,
        None,
    )


def test_update_of_an_erased_buyers_order_restores_no_personal_data(services: Services) -> None:
    connected(services)
    shopify(services, "orders/create", shopify_order(email=None, customer={"id": 77}))  # Bought in a physical store.
    process_webhooks(services)
    shopify(services, "customers/data_request", {"customer": {"id": 77}}, event="d")
    process_webhooks(services)
    shopify(services, "customers/redact", {"customer": {"id": 77}, "orders_to_redact": []}, event="r")
    settle_requests(services)
    later = (datetime.now(UTC) + LATER).isoformat()
    shopify(services, "orders/updated", shopify_order(email=None, customer={"id": 77}, updated_at=later))
    process_webhooks(services)
    order = only_order(services)

    assert (order.customer_id, order.lines, order.number, order.contact_id) == ("", [], "", None)
    assert {privacy_request.encrypted_copy for privacy_request in rows(services, PrivacyRequest)} == {""}


def test_corrected_address_receives_no_result_of_another_person(services: Services) -> None:
    from tests.support.shoppers import visit

    connected(services)
    token = visit(services)
    data = {"note_attributes": [{"name": "recovery_quiz", "value": token}]}
    shopify(services, "orders/create", shopify_order(email="typo@shop.example", **data))
    process_webhooks(services)
    with services.sessions.begin() as session:
        right = contact_for(
            session,
            shop_id=1,
            address_hash=services.crypto.address_hash("demo", BUYER),
            email=BUYER,
            locale="",
            at=services.now(),
        )
        entry = {"kind": "health_data", "state": "granted", "source": "test", "at": services.now()}
        session.add(Consent(shop_id=1, contact_id=right.id, **entry))
        # As if none had been planned: they are planned again for the corrected address.
        session.query(Email).delete()
    later = (datetime.now(UTC) + LATER).isoformat()
    shopify(services, "orders/updated", shopify_order(updated_at=later, **data))
    process_webhooks(services)

    assert {item.result_code for item in rows(services, Email)} == {""}


def test_same_answers_of_two_people_get_different_trigger_ids(services: Services) -> None:
    from tests.support.shoppers import ask

    ask(services)
    with services.sessions.begin() as session:
        session.query(Contact).update({"email": "", "address_hash": "somebody-else"})
    ask(services)
    marks = [email.trigger_id.split(":")[1] for email in rows(services, Email) if email.template == "result"]

    assert len(marks) == len(set(marks)) == 2
