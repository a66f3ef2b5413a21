"""Console pages for store and provider connections, privacy request receipts, and email simulation."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.console_forms import client_in, post
from tests.support.database import rows
from tests.support.deliveries import BUYER, SHOPIFY_SECRET, connected, shopify, shopify_order
from widget.actions.privacy.purge_expired import purge_expired
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.services import Services
from widget.storage.audit import AuditEntry
from widget.storage.connections import Connection
from widget.storage.privacy import PrivacyRequest

HERE = "/console/shops/demo/settings/connections"
PRIVACY = "/console/shops/demo/settings/privacy"
WHEN = "/console/shops/demo/quizzes/leg-day/emails/when"


def test_store_is_connected_reconciled_and_disconnected(services: Services) -> None:
    client = client_in(services)
    assert "not connected" in client.get(HERE).text

    fields = {"secret": SHOPIFY_SECRET, "address": "https://legs.myshopify.com/", "key": "shpat_a_token_of_the_test"}
    assert post(client, f"{HERE}/shopify", do="set", **fields).status_code == 303
    page = client.get(HERE).text
    assert "https://legs.myshopify.com" in page
    assert "every 10 minutes" in page
    assert SHOPIFY_SECRET not in page
    assert fields["key"] not in page
    assert shopify(services, "orders/create", shopify_order())

    post(client, f"{HERE}/shopify", do="look")
    (row,) = rows(services, Connection)
    assert row.due_at is not None
    assert row.due_at <= services.now()
    assert SHOPIFY_SECRET not in json.dumps(row.encrypted_secrets)

    post(client, f"{HERE}/shopify", do="disconnect")
    assert rows(services, Connection) == []
    entries = [
        (audit_entry.action, audit_entry.detail)
        for audit_entry in rows(services, AuditEntry)
        if audit_entry.action.startswith("store")
    ]
    assert entries == [("store_connected", "shopify: secret, address, key"), ("store_disconnected", "shopify")]


@pytest.mark.parametrize(
    ("platform", "fields", "message"),
    [
        ("shopify", {}, "Fill in at least one"),
        ("shopify", {"secret": "short"}, "too short"),
        ("shopify", {"address": "http://localhost:8000"}, "https://"),
        ("woocommerce", {"key": "ck_without_secret"}, "ck_…:cs_…"),
        ("ses", {"secret": "my-topic-with-a-long-name"}, "arn:aws"),
        ("postmark", {"secret": "only-a-password"}, "name:password"),
    ],
)
def test_invalid_connection_field_shows_its_error(
    sqlite_services: Services, platform: str, fields: dict[str, str], message: str
) -> None:
    client = client_in(sqlite_services)
    answer = post(client, f"{HERE}/{platform}", do="set", **fields)

    assert answer.status_code == 422
    assert message in answer.text
    assert 'aria-invalid="true"' in answer.text
    assert rows(sqlite_services, Connection) == []


def test_unknown_platform_or_action_is_refused(sqlite_services: Services) -> None:
    client = client_in(sqlite_services)

    assert post(client, f"{HERE}/magento", do="set").status_code == 404
    assert post(client, f"{HERE}/shopify", do="explode").status_code == 400
    assert post(client, f"{HERE}/shopify", do="look").status_code == 422


def asked(services: Services) -> PrivacyRequest:
    connected(services)
    shopify(services, "orders/create", shopify_order())
    process_webhooks(services)
    shopify(services, "customers/data_request", {"customer": {"email": BUYER}, "data_request": {"id": 9}}, event="d")
    process_webhooks(services)
    return rows(services, PrivacyRequest)[0]


def test_data_request_copy_is_only_for_owners_of_the_shop(services: Services) -> None:
    receipt = asked(services)
    owner = client_in(services)
    page = owner.get(PRIVACY).text
    copy = owner.get(f"{PRIVACY}/{receipt.id}.json")

    assert "Copy of a customer" in page
    assert BUYER not in page
    assert copy.get_json()["contacts"][0]["email"] == BUYER
    assert copy.headers["Cache-Control"] == "no-store"
    assert "privacy_copy_taken" in [audit_entry.action for audit_entry in rows(services, AuditEntry)]
    assert client_in(services, "publisher").get(f"{PRIVACY}/{receipt.id}.json").status_code == 403
    assert owner.get(f"{PRIVACY}/999.json").status_code == 404


def test_data_request_copy_is_purged_after_thirty_days_but_its_receipt_is_kept(services: Services) -> None:
    receipt = asked(services)
    services.clock.move_to(services.now() + timedelta(days=31))
    purge_expired(services)

    assert client_in(services).get(f"{PRIVACY}/{receipt.id}.json").status_code == 404
    assert [
        (privacy_request.encrypted_copy, privacy_request.found["orders"])
        for privacy_request in rows(services, PrivacyRequest)
    ] == [("", 1)]


def test_email_simulation_follows_its_parameters(sqlite_services: Services) -> None:
    client = client_in(sqlite_services, "viewer")

    def shown(query: str = "") -> str:
        answer = client.get(f"{WHEN}?{query}")
        assert answer.status_code == 200
        return str(answer.text)

    assert shown().count(">will be sent<") == 4
    assert "no consent to emails like this" in shown("submitted=1")
    assert "the order was refunded" in shown("submitted=1&marketing=yes&refunded=1")
    assert "warning sign" in shown("submitted=1&marketing=yes&outcome=emergency")
    assert datetime.now(UTC).strftime("%Y") in shown("sku=CREAM-60&quantity=2&delivered=")
    assert shown("sku=%01&quantity=x&delivered=99999999&refunded=-1&outcome=boo&marketing=%F0%9F%92%A9")
