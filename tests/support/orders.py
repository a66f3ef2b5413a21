"""Store orders, delivered as webhooks."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any

from widget.actions.webhooks.receive_webhook import receive_webhook
from widget.crypto import WEBHOOK_SECRET
from widget.services import Services
from widget.storage.shops import shop_by_slug
from widget.stores.standard import sign

EMAIL = "runner@shop.example"


def webhook(
    services: Services,
    kind: str = "order.placed",
    *,
    event_id: str = "",
    body: bytes | None = None,
    days: float = 0,
    order: str = "1042",
    **fields: Any,
) -> bool:
    """Deliver a signed order webhook, as a store does."""
    at = (services.now() + timedelta(days=days)).isoformat()
    data = {
        "id": order,
        "number": order,
        "email": EMAIL,
        "accepts_marketing": True,
        "lines": [{"sku": "ROLL-75", "quantity": 1}],
        **({"placed_at": at} if kind == "order.placed" else {}),
        **fields,
    }
    body = body if body is not None else json.dumps({"type": kind, "timestamp": at, "data": {"order": data}}).encode()
    event_id, stamp = event_id or f"msg_{time.monotonic_ns()}", int(time.time())
    secret = webhook_secret(services)
    headers = {
        "webhook-id": event_id,
        "webhook-timestamp": str(stamp),
        "webhook-signature": sign(secret, event_id, stamp, body),
    }
    return receive_webhook(services, shop="demo", headers=headers, body=body)


def webhook_secret(services: Services) -> str:
    """Return the demo shop's newest webhook secret."""
    with services.reads() as session:
        shop = shop_by_slug(session, "demo")
        assert shop is not None
        return services.crypto.decrypt(shop.encrypted_secrets[0], WEBHOOK_SECRET)
