"""Catalogs from store APIs, converted to the format of products.json so that they are read like any other feed.

Shopify's is in ``shopify_api``. Source: WooCommerce REST API v3, "Products" and "Product variations"
(``stock_status``, ``permalink``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from widget.stores.api_call import Caller, woo_login
from widget.stores.feed_item import BadFeed
from widget.stores.fetching import NotFetched
from widget.stores.reconciling import MAX_PAGES

WOO_PAGE = 100
MAX_ITEMS = 250_000
Product = dict[str, Any]


def woocommerce_catalog(address: str, key: str, call: Caller) -> Iterator[list[Product]]:
    """Yield pages of published products, variable ones with their variations. Raises NotFetched, Throttled."""
    for listed in _woo_pages(f"{address}/wp-json/wc/v3/products", key, call, {"status": "publish"}):
        yield [_woo_product(item, _variations(address, key, call, item)) for item in listed]


def _variations(address: str, key: str, call: Caller, product: Product) -> list[Product]:
    number = str(product.get("id", ""))
    if product.get("type") != "variable" or not number.isdigit():
        return []
    pages = _woo_pages(f"{address}/wp-json/wc/v3/products/{number}/variations", key, call, {})
    return [item for page in pages for item in page]


def _woo_pages(url: str, key: str, call: Caller, more: Mapping[str, str]) -> Iterator[list[Product]]:
    for page in range(1, MAX_PAGES + 1):
        asked = {**more, "per_page": str(WOO_PAGE), "page": str(page)}
        answer = call(f"{url}?{urlencode(asked)}", woo_login(key))
        listed = _listed(answer.data, "")
        yield listed
        pages = answer.headers.get("x-wp-totalpages", "")
        if len(listed) < WOO_PAGE and not (pages.isdigit() and page < int(pages)):
            return
    raise BadFeed(f"the store has more than {MAX_PAGES * WOO_PAGE:,} products")


def _woo_product(product: Product, variations: list[Product]) -> Product:
    own = variations or [product]
    pictures = product.get("images") if isinstance(product.get("images"), list) else []
    return {
        "id": product.get("id"),
        "title": product.get("name"),
        "url": product.get("permalink"),
        "images": [{"src": picture.get("src")} for picture in pictures or () if isinstance(picture, dict)],
        "variants": [_woo_variant(item, simple=not variations) for item in own],
    }


def _woo_variant(item: Product, *, simple: bool) -> Product:
    """Convert a variation, or a simple product, which has no variant id of its own in WooCommerce."""
    image = item.get("image") if isinstance(item.get("image"), dict) else None
    return {
        "id": "" if simple else item.get("id"),
        "sku": item.get("sku"),
        "title": "",
        "price": item.get("price"),
        "available": item.get("stock_status") in ("instock", "onbackorder"),
        **({"featured_image": {"src": image.get("src")}} if image else {}),
    }


def _listed(data: Any, name: str) -> list[Product]:
    found = data.get(name) if name and isinstance(data, dict) else data
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise NotFetched("the store's response contains no list of products")
    return found
