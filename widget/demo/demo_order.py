"""Place a demo store order as a signed Standard Webhooks delivery."""

from __future__ import annotations

import json
import secrets
import time

from widget.actions.errors import ActionError
from widget.actions.webhooks.receive_webhook import receive_webhook
from widget.crypto import WEBHOOK_SECRET
from widget.domain.catalog.product import Product
from widget.services import Services
from widget.storage.shops import shop_by_slug
from widget.stores.standard import sign


class OrderNotTaken(ActionError):
    code = "order_not_taken"


def demo_product_page(services: Services, shop: str, quiz: str) -> dict[str, Product]:
    """Return the active products of the demo store by SKU, in display order."""
    loaded = services.quizzes.live(shop, quiz)
    products = loaded.engine.catalog.products if loaded else ()
    order = {"cream": 0, "salve": 1, "roll-on": 2, "spray": 3}
    return {
        product.sku: product
        for product in sorted(products, key=lambda p: (order.get(p.form, 9), -p.priority))
        if product.active
    }


def place_demo_order(
    services: Services,
    *,
    shop: str,
    number: str,
    email: str,
    lines: list[tuple[Product, int]],
    accepts_marketing: bool,
    visit: str,
    locale: str,
) -> None:
    """Deliver ``order.placed`` as a signed webhook. Raises OrderNotTaken."""
    now = services.now().isoformat()
    order = {
        "id": f"demo-{number}-{secrets.token_hex(4)}",
        "number": number,
        "email": email,
        "locale": locale,
        "currency": "USD",
        "total": sum((product.price or 0) * quantity for product, quantity in lines),
        "placed_at": now,
        "updated_at": now,
        "accepts_marketing": accepts_marketing,
        "test": False,
        "lines": [_line(place, product, quantity) for place, (product, quantity) in enumerate(lines, 1)],
        "attributes": {"recovery_quiz": visit} if visit else {},
    }
    body = json.dumps({"type": "order.placed", "timestamp": now, "data": {"order": order}}).encode()
    deliver(services, shop=shop, body=body)


def _line(place: int, product: Product, quantity: int) -> dict[str, object]:
    return {
        "line_id": str(place),
        "sku": product.sku,
        "product_id": product.product_id or "",
        "variant_id": product.variant_id or "",
        "title": f"{product.name} {product.size or ''}".strip(),
        "quantity": quantity,
        "price": product.price,
    }


def deliver(services: Services, *, shop: str, body: bytes) -> None:
    """Sign one delivery and pass it to ``receive_webhook``, without an HTTP request. Raises OrderNotTaken."""
    with services.reads() as session:
        owner = shop_by_slug(session, shop)
    if owner is None:
        raise OrderNotTaken("the demo shop is not set up")
    secret = services.crypto.decrypt(owner.encrypted_secrets[0], WEBHOOK_SECRET)
    event_id, now = f"msg_{secrets.token_urlsafe(18)}", int(time.time())
    headers = {
        "webhook-id": event_id,
        "webhook-timestamp": str(now),
        "webhook-signature": sign(secret, event_id, now, body),
    }
    receive_webhook(services, shop=shop, headers=headers, body=body)
