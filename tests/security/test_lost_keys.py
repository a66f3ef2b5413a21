"""What still works after the key that encrypted a secret is gone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.console_forms import client_in
from tests.support.database import rows
from tests.support.deliveries import BODIES, SHOPIFY_SECRET, connected, shopify, shopify_order
from widget.actions.accounts.add_user import add_user
from widget.actions.accounts.sign_in import NotSignedIn, sign_in
from widget.actions.privacy.carry_out_requests import cancel_privacy_request, carry_out_now
from widget.actions.shops.connect_store import connect_store
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.crypto import TOTP, WEBHOOK_SECRET, Crypto
from widget.passwords import hash_password, new_totp_secret
from widget.services import Services
from widget.storage.audit import AuditEntry
from widget.storage.connections import Connection
from widget.storage.contacts import Suppression
from widget.storage.privacy import PrivacyRequest
from widget.storage.shops import Shop
from widget.storage.users import User, user_by_email


def lose_keys(services: Services) -> None:
    """Replace the keys, without keeping the old ones for decryption."""
    crypto = Crypto(["another-key-0123456789-abcdefghij"], services.settings.suppression_key)
    object.__setattr__(services, "crypto", crypto)


def owner_of(services: Services) -> User:
    with services.reads() as session:
        found = user_by_email(session, "owner@demo.example")
        assert found
        return found


def waiting(services: Services, *deliveries: tuple[str, dict[str, Any]]) -> list[PrivacyRequest]:
    client_in(services)
    connected(services)
    shopify(services, "orders/create", shopify_order())
    process_webhooks(services)
    for topic, body in deliveries:
        shopify(services, topic, body)
    process_webhooks(services)
    return rows(services, PrivacyRequest)


def test_sign_in_is_refused_when_the_second_factor_cannot_be_read(sqlite_services: Services) -> None:
    services = sqlite_services
    user, _ = add_user(services, shop="demo", email="owner@demo.example", role="owner")
    with services.sessions.begin() as session:
        row = session.get_one(User, user.id)
        row.password_hash = hash_password("quiet otter lamp seventeen", "owner@demo.example", "")
        row.verified_at = services.now()
        row.encrypted_totp = services.crypto.encrypt(new_totp_secret(), TOTP)
    lose_keys(services)

    with pytest.raises(NotSignedIn):
        sign_in(
            services, email="owner@demo.example", password="quiet otter lamp seventeen", code="123456", browser="test"
        )


def test_new_webhook_secret_can_be_set_when_the_old_one_cannot_be_read(sqlite_services: Services) -> None:
    services = sqlite_services
    connected(services)
    lose_keys(services)
    connect_store(services, shop="demo", platform="shopify", secret="a fresh secret of the store")

    newest = rows(services, Connection)[0].encrypted_secrets[0]
    assert services.crypto.decrypt(newest, WEBHOOK_SECRET) == "a fresh secret of the store"


def test_privacy_request_that_cannot_be_read_can_be_canceled_and_keeps_its_suppression(
    sqlite_services: Services,
) -> None:
    services = sqlite_services
    [request] = waiting(services, ("customers/redact", BODIES["customers/redact"]))
    held = [(row.address_hash, row.reason) for row in rows(services, Suppression)]
    lose_keys(services)
    cancel_privacy_request(services, shop_id=request.shop_id, number=request.id, by=owner_of(services))

    assert [row.state for row in rows(services, PrivacyRequest)] == ["cancelled"]
    assert [(row.address_hash, row.reason) for row in rows(services, Suppression)] == held


def test_carrying_out_a_request_that_cannot_be_read_is_recorded_as_canceled(sqlite_services: Services) -> None:
    services = sqlite_services
    [request] = waiting(services, ("shop/redact", {}))
    lose_keys(services)
    carry_out_now(services, shop_id=request.shop_id, number=request.id, by=owner_of(services))

    assert "privacy_request_cancelled" in [entry.action for entry in rows(services, AuditEntry)]
    assert "privacy_request_carried_out" not in [entry.action for entry in rows(services, AuditEntry)]


def test_canceling_an_uninstall_keeps_a_pause_that_the_shop_had_chosen_before(sqlite_services: Services) -> None:
    services = sqlite_services
    client_in(services)
    connect_store(services, shop="demo", platform="shopify", secret=SHOPIFY_SECRET, address="https://x.myshopify.com")
    with services.sessions.begin() as session:
        shop = session.get_one(Shop, 1)
        shop.paused = True
    shopify(services, "app/uninstalled", BODIES["app/uninstalled"])
    process_webhooks(services)
    [request] = rows(services, PrivacyRequest)
    cancel_privacy_request(services, shop_id=request.shop_id, number=request.id, by=owner_of(services))

    assert rows(services, Shop)[0].paused
