"""Malformed webhooks: truncated, and with each field removed, null, huge, or of another type.

Each is either processed or reported as unreadable, and none is lost. Parsing may raise nothing but Unreadable, a
delivery may not be stored in part, and no email may be planned for an address that is not in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import func, select

from tests.support.database import rows
from tests.support.deliveries import (
    BUYER,
    PAYLOADS,
    connected,
    shopify_headers,
    shopify_order,
    shopify_refund,
    woo_headers,
    woo_order,
)
from tests.support.email_reports import bounce, event
from tests.support.services import client_of
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.domain.email.email_event import EmailReport
from widget.domain.orders.webhook import Ignored, Unreadable
from widget.email.events.providers import PROVIDERS
from widget.services import Services
from widget.storage.contacts import Contact
from widget.storage.emails import Email
from widget.storage.orders import Order
from widget.storage.webhook_deliveries import DELIVERY_DONE, DELIVERY_FAILED, DELIVERY_IGNORED, WebhookDelivery
from widget.stores.platforms import PLATFORMS

NOW = datetime.now(UTC)
MARKS = [
    None,
    "",
    0,
    -1,
    10**30,
    True,
    [],
    {},
    [None],
    [[]],
    {"a": 1},
    "x" * 70_000,
    "\x00",
    "\ud800",
    "NaN",
    "9999-99-99",
]
GENERIC = {
    "type": "order.placed",
    "timestamp": NOW.isoformat(),
    "data": {
        "order": {
            "id": "1",
            "number": "1",
            "email": BUYER,
            "currency": "USD",
            "total": 2400,
            "placed_at": NOW.isoformat(),
            "accepts_marketing": True,
            "lines": [{"line_id": "1", "sku": "ROLL-75", "quantity": 1, "price": 2400}],
            "attributes": {"recovery_quiz": "v"},
        }
    },
}
CONSENT = {
    "customer_id": 1,
    "email_address": BUYER,
    "email_marketing_consent": {"state": "subscribed", "consent_updated_at": NOW.isoformat()},
}
REDACT = {"shop_id": 1, "customer": {"id": 191167, "email": BUYER}, "orders_to_redact": [1, 2]}
STORES: dict[str, tuple[str, str, Any]] = {
    "generic": ("orders", "", GENERIC),
    "shopify order": (
        "shopify",
        "orders/updated",
        shopify_order(
            refunds=[shopify_refund(1)],
            fulfillments=[
                {"created_at": NOW.isoformat(), "updated_at": NOW.isoformat(), "shipment_status": "delivered"}
            ],
            fulfillment_status="fulfilled",
            note_attributes=[{"name": "recovery_quiz", "value": "v"}],
        ),
    ),
    "shopify sample": (
        "shopify",
        "orders/paid",
        json.loads((PAYLOADS / "shopify" / "orders.paid.constructed.body.json").read_text()),
    ),
    "shopify refund": ("shopify", "refunds/create", shopify_refund(1)),
    "shopify consent": ("shopify", "customers_email_marketing_consent/update", CONSENT),
    "shopify redact": ("shopify", "customers/redact", REDACT),
    "shopify request": (
        "shopify",
        "customers/data_request",
        {**REDACT, "orders_requested": [1], "data_request": {"id": 9}},
    ),
    "shopify delete": ("shopify", "orders/delete", {"id": 1}),
    "woo order": ("woocommerce", "order.updated", woo_order(refunds=[{"id": 3, "reason": "", "total": "-28.00"}])),
    "woo delete": ("woocommerce", "order.deleted", {"id": 727}),
}
SNS = {"Type": "Notification", "MessageId": "m", "Timestamp": NOW.isoformat(), "Message": json.dumps(bounce())}
REPORTS: dict[str, tuple[str, Any]] = {
    "ses": ("ses", SNS),
    "ses bounce": ("ses message", bounce(message_id="<x@y>")),
    "sendgrid": ("sendgrid", [event("bounce", type="bounce", **{"smtp-id": "<x@y>"})]),
    "postmark": (
        "postmark",
        {"RecordType": "Bounce", "TypeCode": 1, "ID": 7, "Email": BUYER, "BouncedAt": NOW.isoformat()},
    ),
}


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of keys and indexes to every field and list entry."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*way, key)
        yield from places(item, (*way, key))


def changed(data: Any, way: tuple[Any, ...], mark: Any, *, gone: bool = False) -> bytes:
    copy = deepcopy(data)
    at = copy
    for key in way[:-1]:
        at = at[key]
    if gone:
        del at[way[-1]]
    else:
        at[way[-1]] = mark
    return json.dumps(copy).encode()


def odd_bodies(data: Any) -> Iterator[bytes]:
    whole = json.dumps(data, indent=1).encode()
    yield from (whole[:cut] for cut in range(0, len(whole), 10))
    for way in places(data):
        yield changed(data, way, None, gone=True)
        for mark in MARKS:
            yield changed(data, way, mark)
    yield b"[" * 100_000
    yield whole.replace(b'"', b"\xff", 1)


def refusal(read: Callable[[], object]) -> str:
    """Return why the body could not be read, or an empty string if it could."""
    try:
        read()
    except (Ignored, Unreadable) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", STORES)
def test_malformed_store_webhook_is_parsed_or_reported_as_unreadable(name: str) -> None:
    source, topic, data = STORES[name]
    for body in odd_bodies(data):
        outcome = refusal(lambda body=body: PLATFORMS[source].parse(topic, body, received_at=NOW))
        assert len(outcome) < 200
        assert BUYER not in outcome


@pytest.mark.parametrize("name", REPORTS)
def test_malformed_email_event_is_parsed_or_reported_as_unreadable(name: str) -> None:
    provider, data = REPORTS[name]
    for body in odd_bodies(data):
        whole = json.dumps({**SNS, "Message": body.decode("utf-8", "replace")}).encode()
        given = whole if provider == "ses message" else body
        found: list[EmailReport] = []
        outcome = refusal(lambda given=given, found=found: found.extend(PROVIDERS[provider.split()[0]].parse(given)))
        assert BUYER not in outcome
        assert all(len(item.event_id) <= 255 for item in found)


@pytest.mark.parametrize("name", ["dsn-failed-5.1.1", "dsn-delayed-4.4.1", "arf-abuse"])
def test_truncated_bounce_or_complaint_message_is_parsed_without_errors(name: str) -> None:
    raw = (PAYLOADS / "mail" / f"{name}.constructed.eml").read_bytes()
    for cut in range(0, len(raw), 10):
        for body in (raw[:cut], raw[:cut] + b"\xff\x00" + raw[cut + 2 :]):
            PROVIDERS["message"].reports(body)


@pytest.mark.parametrize("name", ["shopify order", "woo order", "shopify redact", "shopify consent"])
def test_malformed_webhooks_over_http_are_all_stored_and_reach_no_other_contact(
    sqlite_services: Services, name: str
) -> None:
    """Every seventh malformed body is delivered by HTTP and processed to the end."""
    services = connected(sqlite_services)
    client, (source, topic, data) = client_of(services), STORES[name]
    bodies = list(dict.fromkeys(odd_bodies(data)))[::7]
    for number, body in enumerate(bodies):
        headers = (
            woo_headers(topic, body) if source == "woocommerce" else shopify_headers(topic, body, event=str(number))
        )
        answer = client.post(f"/webhooks/demo/{source}", data=body, headers=headers)
        assert answer.status_code == 200, answer.get_data(as_text=True)
    while process_webhooks(services):
        pass

    with services.reads() as session:
        assert session.scalar(select(func.count()).select_from(WebhookDelivery)) == len(bodies)
        states = set(session.scalars(select(WebhookDelivery.state)))
        failed = list(session.scalars(select(WebhookDelivery).where(WebhookDelivery.state == DELIVERY_FAILED)))
    assert states <= {DELIVERY_DONE, DELIVERY_FAILED, DELIVERY_IGNORED}
    assert {item.body for item in failed} <= set(bodies)  # Unreadable bodies are stored unchanged.
    # No unexpected exception: each failed delivery was reported as unreadable.
    assert not {item.error for item in failed if item.error.endswith("Error")}
    assert {contact.email for contact in rows(services, Contact)} <= {BUYER, ""}
    contacts = {contact.id for contact in rows(services, Contact)}
    assert all(email.contact_id in contacts for email in rows(services, Email))
    assert all(order.external_id for order in rows(services, Order))
