"""Webhook deliveries as stores send them: signed, in each platform's format, with fields that a test may change."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import update

from tests.support.packs import ROOT
from widget.actions.privacy.carry_out_requests import carry_out_due
from widget.actions.shops.connect_store import connect_store
from widget.actions.webhooks.process_webhooks import process_webhooks
from widget.actions.webhooks.receive_webhook import receive_webhook
from widget.services import Services
from widget.storage.privacy import REQUEST_WAITING, PrivacyRequest
from widget.stores.shopify import PRIVACY

PAYLOADS = ROOT / "tests" / "payloads"
SHOPIFY_SECRET = "shpss_constructed_test_secret"
WOO_SECRET = "woo-test-secret & <quote>"
BUYER = "buyer@shop.example"


def signature(secret: str, body: bytes) -> str:
    return base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()


def connected(services: Services, shop: str = "demo") -> Services:
    connect_store(services, shop=shop, platform="shopify", secret=SHOPIFY_SECRET)
    connect_store(services, shop=shop, platform="woocommerce", secret=WOO_SECRET)
    return services


def shopify_headers(topic: str, body: bytes, *, secret: str = SHOPIFY_SECRET, event: str = "") -> dict[str, str]:
    headers = {"x-shopify-topic": topic, "x-shopify-hmac-sha256": signature(secret, body)}
    return {**headers, "x-shopify-event-id": event} if event else headers


def shopify(services: Services, topic: str, data: Any, *, event: str = "") -> bool:
    if topic in PRIVACY and isinstance(data, dict):
        data = {"shop_id": 954889, "shop_domain": "x.myshopify.com", **data}
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    headers = shopify_headers(topic, body, event=event)
    return receive_webhook(services, shop="demo", headers=headers, body=body, source="shopify")


def settle_requests(services: Services) -> None:
    """Process all deliveries and carry out waiting privacy requests as if their two days had passed."""
    process_webhooks(services)
    with services.sessions.begin() as session:
        session.execute(
            update(PrivacyRequest).where(PrivacyRequest.state == REQUEST_WAITING).values(due_at=services.now())
        )
    carry_out_due(services)


def woo_headers(topic: str, body: bytes, *, secret: str = WOO_SECRET) -> dict[str, str]:
    return {
        "content-type": "application/json",
        "x-wc-webhook-topic": topic,
        "x-wc-webhook-signature": signature(secret, body),
        "x-wc-webhook-delivery-id": "7a1e3b5c9d0f2a4b6c8e0d1f3a5b7c9d",
    }


def woo(services: Services, topic: str, data: Any) -> bool:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return receive_webhook(services, shop="demo", headers=woo_headers(topic, body), body=body, source="woocommerce")


def shopify_order(number: int = 5820982911946154508, **change: Any) -> dict[str, Any]:
    """Return an order of a roll-on in Shopify's format."""
    now = datetime.now(UTC).isoformat()
    return {
        "id": number,
        "name": "#1042",
        "email": BUYER,
        "created_at": now,
        "updated_at": now,
        "cancelled_at": None,
        "financial_status": "paid",
        "fulfillment_status": None,
        "test": False,
        "currency": "USD",
        "total_price": "28.00",
        "buyer_accepts_marketing": True,
        "customer_locale": "en-US",
        "customer": {"id": 7115310627314723954, "email": BUYER, "email_marketing_consent": {"state": "subscribed"}},
        "line_items": [
            {"id": 14698001154508, "sku": "ROLL-75", "title": "Roll-On", "quantity": 1, "price": "28.00"},
        ],
        "fulfillments": [],
        "refunds": [],
        "note_attributes": [],
        **change,
    }


def shopify_refund(order: int, line: int = 14698001154508, *, quantity: int = 1, number: int = 77) -> dict[str, Any]:
    return {
        "id": number,
        "order_id": order,
        "created_at": datetime.now(UTC).isoformat(),
        "refund_line_items": [{"line_item_id": line, "quantity": quantity, "subtotal": 28.0}],
        "transactions": [{"kind": "refund", "status": "success", "amount": "28.00", "currency": "USD"}],
    }


def woo_order(number: int = 727, **change: Any) -> dict[str, Any]:
    """Return an order of a roll-on in WooCommerce's format."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return {
        "id": number,
        "number": str(number),
        "status": "processing",
        "currency": "USD",
        "total": "28.00",
        "date_created_gmt": now,
        "date_modified_gmt": now,
        "date_paid_gmt": now,
        "date_completed_gmt": None,
        "customer_id": 0,
        "billing": {"first_name": "Sam", "email": BUYER},
        "line_items": [{"id": 315, "name": "Roll-On", "sku": "ROLL-75", "variation_id": 0, "quantity": 1, "price": 28}],
        "meta_data": [{"id": 1, "key": "recovery_quiz_accepts_marketing", "value": "yes"}],
        "refunds": [],
        **change,
    }


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
