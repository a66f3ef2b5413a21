"""Items of a product feed, validated from its text fields. Feeds are untrusted input."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from widget.stores.feed_values import BadValue, amount_of, in_period, name_of, visible, web_address

IN_STOCK, NOT_NOW = "in_stock", ("out_of_stock", "preorder", "backorder")
"""Values from Google's product data specification. Products that cannot ship today are not recommended."""
_SHOPIFY_ID = re.compile(r"shopify_[A-Za-z]{2,8}_([0-9]{1,20})_([0-9]{1,20})")
_DIGITS = re.compile(r"[0-9]{1,20}")
MAX_ID = 200


class BadFeed(ValueError):
    """A file that is not a supported feed and is rejected as a whole. The message is shown to users."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """Values that a feed does not contain: the currency of bare numbers, the base URL of paths, the current time."""

    currency: str
    base: str
    now: datetime


@dataclass(frozen=True, slots=True)
class FeedItem:
    """A product in a feed.

    ``place`` is its position ("item 3"). ``price`` is in minor units. ``stock`` None means untracked and in stock.
    ``dated``: the price depends on the date. ``notes``: fields that were ignored, and why.
    """

    place: str
    sku: str
    name: str
    price: int
    currency: str
    stock: int | None
    mpn: str = ""
    product_id: str = ""
    variant_id: str = ""
    url: str = ""
    image: str = ""
    dated: bool = False
    notes: tuple[str, ...] = ()

    @property
    def feed_values(self) -> dict[str, Any]:
        """The item as stored in the catalog: keys of FROM_FEEDS, without those missing from the feed."""
        data = {"product_id": self.product_id, "variant_id": self.variant_id, "url": self.url, "image": self.image}
        always = {"name": self.name, "price": self.price, "currency": self.currency, "stock": self.stock}
        return always | {"active": True} | {name: value for name, value in data.items() if value}


@dataclass(frozen=True, slots=True)
class BadItem:
    """An item that is left out, and why. Its ids are kept, since the product exists although it is unreadable."""

    place: str
    reason: str
    sku: str = ""
    mpn: str = ""
    variant_id: str = ""


def merchant_item(fields: Mapping[str, str], place: str, given: Defaults) -> FeedItem | BadItem:
    """Parse an item of a Google Merchant feed from its attributes by name."""
    sku, mpn = visible(fields.get("id", "")).strip(), visible(fields.get("mpn", "")).strip()
    if not sku:
        return BadItem(place, "it has no ID")
    if len(sku) > MAX_ID or len(mpn) > MAX_ID:
        return BadItem(place, f"its ID is longer than {MAX_ID} characters")
    notes: list[str] = []
    url = _address(fields, "link", given, notes)
    shopify = _SHOPIFY_ID.fullmatch(sku)
    product_id, variant = shopify.groups() if shopify else ("", _variant_in(url))
    try:
        name = name_of(fields.get("title", ""))
        price, currency, dated = _merchant_price(fields, given, notes)
        stock = _stock(fields)
    except BadValue as error:
        return BadItem(place, str(error), sku, mpn, variant)
    image = _address(fields, "image_link", given, notes)
    return FeedItem(place, sku, name, price, currency, stock, mpn, product_id, variant, url, image, dated, tuple(notes))


def _merchant_price(fields: Mapping[str, str], given: Defaults, notes: list[str]) -> tuple[int, str, bool]:
    """Return (price in minor units, currency, whether it depends on the date). Raises BadValue.

    The price is the sale price if one is in effect.
    """
    price, currency = amount_of(fields.get("price", ""), given.currency)
    sale, period = fields.get("sale_price", "").strip(), fields.get("sale_price_effective_date", "").strip()
    if not sale:
        return price, currency, False
    try:
        lower, same = amount_of(sale, currency)
        if same != currency or lower >= price:
            raise BadValue("the sale price is not lower than the price")
        return (lower if in_period(period, given.now) else price), currency, bool(period)
    except BadValue as error:
        notes.append(f"{error}: the sale price is ignored")
        return price, currency, False


def _stock(fields: Mapping[str, str]) -> int | None:
    """Return the stock: 0 if unavailable, None if the feed gives no quantity.

    Raises BadValue if the availability is unknown: better to report the item than to sell what may not be there.
    """
    word = "_".join(fields.get("availability", "").casefold().split())
    if word in NOT_NOW:
        return 0
    if word != IN_STOCK:
        raise BadValue(f"availability {word[:40]!r} is not one of {', '.join((IN_STOCK, *NOT_NOW))}")
    many = fields.get("quantity", "").strip()
    return int(many) if many.isascii() and many.isdigit() and len(many) < 10 else None


def _address(fields: Mapping[str, str], name: str, given: Defaults, notes: list[str]) -> str:
    text = fields.get(name, "").strip()
    if not text:
        notes.append(f"it has no {name}")
        return ""
    try:
        return web_address(text, given.base)
    except BadValue as error:
        notes.append(f"{name}: {error}")
        return ""


def _variant_in(url: str) -> str:
    """Return the variant id in a Shopify URL (``…?variant=48039284711``), or an empty string."""
    named = parse_qs(urlsplit(url).query).get("variant", [""])[0] if url else ""
    return named if _DIGITS.fullmatch(named) else ""


def shopify_items(product: Mapping[str, Any], place: str, given: Defaults) -> list[FeedItem | BadItem]:
    """Parse the variants of a product in Shopify's products.json."""
    variants = product.get("variants")
    if not isinstance(variants, list) or not variants:
        return [BadItem(place, "it has no variants")]
    several = len(variants) > 1
    return [
        _shopify_item(product, variant, f"{place}, variant {number}" if several else place, given)
        for number, variant in enumerate(variants, 1)
        if isinstance(variant, dict)
    ]


def _shopify_item(
    product: Mapping[str, Any], variant: Mapping[str, Any], place: str, given: Defaults
) -> FeedItem | BadItem:
    sku, variant_id = _text(variant.get("sku")), _text(variant.get("id"))
    if not sku and not variant_id:
        return BadItem(place, "it has neither a SKU nor an ID")
    if max(len(sku), len(variant_id)) > MAX_ID:
        return BadItem(place, f"its SKU is longer than {MAX_ID} characters")
    title = _text(variant.get("title"))
    name = _text(product.get("title")) + (f" – {title}" if title not in ("", "Default Title") else "")
    notes: list[str] = []
    handle = _text(product.get("handle"))
    link = f"/products/{handle}" + (f"?variant={variant_id}" if variant_id else "") if handle else ""
    link = _text(product.get("url")) or link
    url = _address({"link": link}, "link", given, notes) if given.base else ""
    try:
        price, currency = amount_of(_text(variant.get("price")), given.currency)
        name, stock = name_of(name), _shopify_stock(variant)
    except BadValue as error:
        return BadItem(place, str(error), sku, "", variant_id)
    image = _address({"image_link": _picture(product, variant)}, "image_link", given, notes)
    return FeedItem(
        place,
        sku,
        name,
        price,
        currency,
        stock,
        product_id=_text(product.get("id"))[:MAX_ID],
        variant_id=variant_id,
        url=url,
        image=image,
        notes=tuple(notes),
    )


def _shopify_stock(variant: Mapping[str, Any]) -> int | None:
    """Return the stock of a variant; None if it is sold without a count. Raises BadValue if nothing tells.

    ``available`` is what shoppers see. Without it: a variant that is not tracked, or that may be oversold, is in stock.
    Source: shopify.dev, "Product variant" (``inventory_management``, ``inventory_policy``, ``inventory_quantity``).
    """
    available, many = variant.get("available"), str(variant.get("inventory_quantity"))
    if isinstance(available, bool):
        return None if available else 0
    untracked = "inventory_management" in variant and not variant["inventory_management"]
    if untracked or variant.get("inventory_policy") == "continue":
        return None
    if many.lstrip("-").isdecimal() and len(many) < 12:
        return max(0, int(many))
    raise BadValue("it does not state its availability")


def _picture(product: Mapping[str, Any], variant: Mapping[str, Any]) -> str:
    """Return the variant's own picture, else the product's first one."""
    own, images = variant.get("featured_image"), product.get("images")
    for image in (own, *(images[:1] if isinstance(images, list) else [])):
        if isinstance(image, dict) and _text(image.get("src")):
            return _text(image["src"])
    return ""


def _text(value: Any) -> str:
    """Return a value as text. Ids may also be numbers above 2^53; they stay exact."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return visible(str(value)).strip()
