"""How a product gets into a store's cart: by a form that works without scripts, an event, or no more than its link.

Sources: Shopify, "Cart permalinks" (``/cart/{variant}:{quantity}?attributes[key]=value``); WooCommerce, "Add to cart by
URL" (``?add-to-cart=ID&quantity=n&variation_id=ID``).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from widget.domain.catalog.product import Product

FORM, EVENT, LINK = "form", "event", "link"
SHOPIFY, WOOCOMMERCE = "shopify", "woocommerce"
Address = Callable[[str], str]
"""Makes a whole address of a path of the store."""
Cart = dict[str, Any]


def form_cart(product: Product, action: str) -> Cart:
    """A form with ``sku`` and ``quantity`` to an address of the store."""
    return {"kind": FORM, "action": action, "fields": {"sku": product.sku, "quantity": "1"}}


def event_cart(product: Product, address: Address) -> Cart:
    """The store's own page listens."""
    return {"kind": EVENT}


def shopify_cart(product: Product, address: Address) -> Cart:
    """A cart permalink as a form, so that the visit can go along as a cart attribute (``visit`` names its field)."""
    if not product.variant_id:
        return {"kind": LINK}
    found: Cart = {"kind": FORM, "method": "get", "action": address(f"/cart/{product.variant_id}:1"), "fields": {}}
    return {**found, "visit": "attributes[recovery_quiz]", "platform": SHOPIFY, "variant": product.variant_id}


def woocommerce_cart(product: Product, address: Address) -> Cart:
    """Likewise; the visit is kept by the plugin of infra/stores."""
    if not product.product_id:
        return {"kind": LINK}
    fields = {"add-to-cart": product.product_id, "quantity": "1"}
    if product.variant_id:
        fields["variation_id"] = product.variant_id
    found: Cart = {"kind": FORM, "method": "get", "action": address("/cart/"), "fields": fields}
    return {**found, "visit": "recovery_quiz", "platform": WOOCOMMERCE}
