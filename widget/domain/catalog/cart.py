"""Ways to add a product to a store's cart: a form that works without JavaScript, an event, or only the product link.

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
"""A function that builds a full URL from a path on the store's site."""
Cart = dict[str, Any]


def form_cart(product: Product, action: str) -> Cart:
    """Return a form that submits ``sku`` and ``quantity`` to a URL of the store."""
    return {"kind": FORM, "action": action, "fields": {"sku": product.sku, "quantity": "1"}}


def event_cart(product: Product, address: Address) -> Cart:
    """Return an event cart: the store's own page listens for the event."""
    return {"kind": EVENT}


def shopify_cart(product: Product, address: Address) -> Cart:
    """Return a Shopify cart permalink as a form, or just a link if the product has no variant id.

    A form can also send the visit as a cart attribute; ``visit`` names that form field.
    """
    if not product.variant_id:
        return {"kind": LINK}
    found: Cart = {"kind": FORM, "method": "get", "action": address(f"/cart/{product.variant_id}:1"), "fields": {}}
    return {**found, "visit": "attributes[recovery_quiz]", "platform": SHOPIFY, "variant": product.variant_id}


def woocommerce_cart(product: Product, address: Address) -> Cart:
    """Return a WooCommerce "add to cart" URL as a form, or just a link if the product has no product id.

    The plugin in infra/stores saves the visit.
    """
    if not product.product_id:
        return {"kind": LINK}
    fields = {"add-to-cart": product.product_id, "quantity": "1"}
    if product.variant_id:
        fields["variation_id"] = product.variant_id
    found: Cart = {"kind": FORM, "method": "get", "action": address("/cart/"), "fields": fields}
    return {**found, "visit": "recovery_quiz", "platform": WOOCOMMERCE}
