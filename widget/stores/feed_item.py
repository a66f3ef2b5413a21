"""What a product feed says of one product, made from its text fields. Nothing a feed says is trusted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from widget.stores.feed_values import BadValue, amount_of, in_period, name_of, visible, web_address

IN_STOCK, NOT_NOW = "in_stock", ("out_of_stock", "preorder", "backorder")
"""After Google's product data specification; what cannot be sent today is not recommended."""
_SHOPIFY_ID = re.compile(r"shopify_[A-Za-z]{2,8}_([0-9]{1,20})_([0-9]{1,20})")
_DIGITS = re.compile(r"[0-9]{1,20}")
MAX_ID = 200


class BadFeed(ValueError):
    """A file that is no feed, or not one we read: nothing of it counts. The text is for people."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a feed leaves open: the currency of bare numbers, the address its paths stand under, the moment."""

    currency: str
    base: str
    now: datetime


@dataclass(frozen=True, slots=True)
class FeedItem:
    """``place`` is where it stands ("item 3"). ``price`` in minor units; ``stock`` None is not tracked, so in stock.

    ``dated``: the price depends on the day. ``notes``: what was left out of it, and why.
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
    def said(self) -> dict[str, Any]:
        """As the catalog keeps it: keys of FROM_FEEDS, without what the feed does not tell."""
        data = {"product_id": self.product_id, "variant_id": self.variant_id, "url": self.url, "image": self.image}
        always = {"name": self.name, "price": self.price, "currency": self.currency, "stock": self.stock}
        return always | {"active": True} | {name: value for name, value in data.items() if value}


@dataclass(frozen=True, slots=True)
class BadItem:
    """An item that is left out, and why. What names it is kept: it is in the store, though we cannot read it."""

    place: str
    reason: str
    sku: str = ""
    mpn: str = ""
    variant_id: str = ""


def merchant_item(fields: Mapping[str, str], place: str, given: Defaults) -> FeedItem | BadItem:
    """An item of a Google Merchant feed, from its attributes by name."""
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
    """(minor units, currency, whether it depends on the day); the sale price where one holds. Raises BadValue."""
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
    """A number where the feed counts. Raises BadValue where it says nothing of being there: better told than sold."""
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
    """The variant that a Shopify address names: ``…?variant=48039284711``."""
    named = parse_qs(urlsplit(url).query).get("variant", [""])[0] if url else ""
    return named if _DIGITS.fullmatch(named) else ""


def shopify_items(product: Mapping[str, Any], place: str, given: Defaults) -> list[FeedItem | BadItem]:
    """The variants of a product of Shopify's products.json."""
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
    """``available`` is what shoppers meet; without it only a count tells. Raises BadValue for neither."""
    available, many = variant.get("available"), variant.get("inventory_quantity")
    if isinstance(available, bool):
        return None if available else 0
    if isinstance(many, int) and not isinstance(many, bool):
        return max(0, many)
    raise BadValue("it does not state its availability")


def _picture(product: Mapping[str, Any], variant: Mapping[str, Any]) -> str:
    """The variant's own picture, else the first of the product."""
    own, images = variant.get("featured_image"), product.get("images")
    for image in (own, *(images[:1] if isinstance(images, list) else [])):
        if isinstance(image, dict) and _text(image.get("src")):
            return _text(image["src"])
    return ""


def _text(value: Any) -> str:
    """Ids come as numbers above 2^53, too: exact, as text."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        return ""
    return visible(str(value)).strip()
