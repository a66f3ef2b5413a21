"""The catalog page: product data from the store, and blocked products."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, abort, flash, make_response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.catalog.change_product import BadProduct, change_product
from widget.domain.roles import MANAGE
from widget.i18n.money import money_text
from widget.storage.catalog import StoredProduct, stored_products
from widget.storage.content import live_quizzes
from widget.web.console.guard import me, permitted
from widget.web.console.page_context import PageContext, render_page, shop_page
from widget.web.console.settings.feed_view import FeedView, feed_view
from widget.web.console.settings.shop import last_change
from widget.web.requests import current_services

blueprint = Blueprint("catalog_page", __name__, url_prefix="/shops/<shop>/settings/products")
MAX_REASON = 300


@dataclass
class Item:
    """A product of a live quiz, or one that only the catalog still contains (``quizzes`` is empty)."""

    sku: str
    name: str
    quizzes: list[str] = field(default_factory=list)
    row: StoredProduct | None = None
    barred: bool = False
    """Blocked by us, because the store's name for it violates the claims rules."""

    @property
    def blocked(self) -> bool:
        return self.row is not None and self.row.blocked

    @property
    def feed_values(self) -> list[tuple[str, str]]:
        """What the store last reported, as (label, value)."""
        feed: dict[str, Any] = self.row.feed if self.row else {}
        words = []
        for key, value in feed.items():
            if key == "price" and isinstance(value, int) and feed.get("currency", "USD"):
                words.append(("price", money_text(value, str(feed.get("currency", "USD")), "en")))
            elif key == "stock":
                words.append(("stock", str(value) if value else "out of stock" if value == 0 else "in stock"))
            elif key == "active":
                words.append(("for sale", "yes" if value else "no"))
            elif key != "currency":
                words.append((key.replace("_", " "), str(value)))
        return words


@blueprint.get("")
@permitted(MANAGE)
def listing(shop: str) -> str:
    """List every product of a live quiz or of the catalog."""
    return products_page(shop_page(shop))


def products_page(page: PageContext, wrong: dict[str, str] | None = None, *, feed: FeedView | None = None) -> str:
    """Render the page. ``wrong``: messages about a rejected form, by SKU."""
    items = _items(page)
    return render_page(
        "console/settings/products.html",
        page,
        title="Settings",
        lead="Product data from the store. Changes apply to results and emails immediately.",
        section="settings",
        items=items,
        blocked=sum(item.blocked or item.barred for item in items),
        wrong=wrong or {},
        feed=feed or feed_view(current_services(), page.shop),
        last=last_change(page),
    )


def _items(page: PageContext) -> list[Item]:
    services, found = current_services(), dict[str, Item]()
    with services.reads() as session:
        rows = {row.sku: row for row in stored_products(session, page.shop.id)}
        quizzes = live_quizzes(session, page.shop.id)
    for quiz in quizzes:
        loaded = services.quizzes.live(page.shop.slug, quiz)
        for product in loaded.engine.rules.pack.products if loaded else ():
            item = found.setdefault(product.sku, Item(product.sku, product.name))
            item.quizzes.append(quiz)
            item.barred |= loaded is not None and product.sku in loaded.engine.catalog.blocked
    for sku, row in rows.items():
        item = found.setdefault(sku, Item(sku, str(row.feed.get("name", sku))))
        item.row = row
    for item in found.values():
        item.barred = item.barred and not item.blocked
    return sorted(found.values(), key=lambda entry: (not (entry.blocked or entry.barred), entry.name, entry.sku))


@blueprint.post("")
@permitted(MANAGE)
def change(shop: str) -> AnyResponse:
    """Block or unblock a product; both require a reason."""
    page, sku, do = shop_page(shop), request.form.get("sku", "")[:200], request.form.get("do", "")
    if do not in ("block", "unblock"):
        abort(400)
    reason = " ".join(request.form.get("reason", "")[:MAX_REASON].split())
    if not reason:
        return make_response(products_page(page, {sku: "Enter a reason. It is recorded with the change."}), 422)
    try:
        change_product(current_services(), shop=shop, sku=sku, blocked=do == "block", reason=reason, by=me())
    except BadProduct:
        abort(404)
    gone = "is blocked from every result and email" if do == "block" else "can be shown again"
    flash(f"{sku} {gone}.", "good")
    return redirect(f"{page.shop_root}/settings/products", 303)
