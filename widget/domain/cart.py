"""How a product gets into a store's cart."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from widget.domain.product import Product

FORM, EVENT, LINK = "form", "event", "link"
SHOPIFY, WOOCOMMERCE = "shopify", "woocommerce"


def cart_of(rule: Mapping[str, Any], product: Product, address: Callable[[str], str]) -> dict[str, Any]:
    """How this product gets into the cart: a form that works without scripts, an event, or no more than its link.

    Sources: Shopify, "Cart permalinks" (``/cart/{variant}:{quantity}?attributes[key]=value``); WooCommerce, "Add to
    cart by URL" (``?add-to-cart=ID&quantity=n&variation_id=ID``). ``visit``: the name of the field for the visit.
    """
    kind = rule["kind"]
    if kind == FORM:
        fields = {"sku": product.sku, "quantity": "1"}
        return {"kind": FORM, "action": address(rule["action"]), "fields": fields}
    if kind == SHOPIFY:
        if not product.variant_id:
            return {"kind": LINK}
        found = {"kind": FORM, "method": "get", "action": address(f"/cart/{product.variant_id}:1"), "fields": {}}
        return {**found, "visit": "attributes[recovery_quiz]", "platform": SHOPIFY, "variant": product.variant_id}
    if kind == WOOCOMMERCE:
        if not product.product_id:
            return {"kind": LINK}
        fields = {"add-to-cart": product.product_id, "quantity": "1"}
        if product.variant_id:
            fields["variation_id"] = product.variant_id
        found = {"kind": FORM, "method": "get", "action": address("/cart/"), "fields": fields}
        return {**found, "visit": "recovery_quiz", "platform": WOOCOMMERCE}
    return dict(rule)
