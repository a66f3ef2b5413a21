"""The shop's product feed: its address, an immediate import, and a manual upload."""

from __future__ import annotations

from io import BytesIO

from flask import Blueprint, abort, flash, make_response, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.catalog.change_feed import BadFeedAddress, NotNow, ask_for_import, change_feed
from widget.actions.catalog.fetch_catalog import API
from widget.actions.catalog.import_feed import FEED_FAILED, FEED_STOPPED, FEED_UNCHANGED, Asked, FeedReport, import_feed
from widget.domain.roles import MANAGE
from widget.web.console.guard import me, permitted
from widget.web.console.page_context import PageContext, shop_page
from widget.web.console.settings.feed_view import feed_view
from widget.web.console.settings.products import products_page
from widget.web.requests import current_services

blueprint = Blueprint("feed_page", __name__, url_prefix="/shops/<shop>/settings/products/feed")


@blueprint.post("")
@permitted(MANAGE)
def change(shop: str) -> AnyResponse:
    """Set or remove the feed's address, or request an import now."""
    page, services, do = shop_page(shop), current_services(), request.form.get("do", "")
    try:
        if do == "set":
            address = request.form.get("address", "").strip()
            if not address:
                raise BadFeedAddress("Enter the feed URL.")
            change_feed(services, shop=shop, address=address, by=me())
            flash("Feed URL saved. The first import starts within seconds.", "good")
        elif do == "api":
            change_feed(services, shop=shop, address=f"{API}{request.form.get('platform', '')[:40]}", by=me())
            flash("Products are now read from the store's API. The first import starts within seconds.", "good")
        elif do == "remove":
            change_feed(services, shop=shop, address="", by=me())
            flash("Feed removed. Imported product data is kept.", "good")
        elif do == "import":
            ask_for_import(services, shop=shop, by=me())
        elif do == "allow_missing":
            ask_for_import(services, shop=shop, by=me(), missing=_count("missing"), changed=_count("changed"))
        else:
            abort(400)
    except BadFeedAddress as error:
        return make_response(products_page(page, feed=feed_view(services, page.shop, wrong=str(error))), 422)
    except NotNow as error:
        flash(str(error), "bad")
    return _back(page)


@blueprint.post("/upload")
@permitted(MANAGE)
def upload(shop: str) -> AnyResponse:
    """Import an uploaded file while the browser waits."""
    page, services, given = shop_page(shop), current_services(), request.files.get("file")
    body = given.read() if given and given.filename else b""
    if not body:
        message = "Choose a file that is not empty."
        return make_response(products_page(page, feed=feed_view(services, page.shop, wrong_file=message)), 422)
    asked = Asked(by=me(), uploaded=True, allow_missing=_count("missing"), allow_changed=_count("changed"))
    report = import_feed(services, shop=shop, files=[BytesIO(body)], asked=asked)
    if report.outcome in (FEED_STOPPED, FEED_FAILED):
        return make_response(products_page(page), 422)
    flash(_words(report), "good")
    return _back(page)


def _words(report: FeedReport) -> str:
    if report.outcome == FEED_UNCHANGED:
        return "No changes: the file matches the last import."
    many = len(report.changed)
    return f"Imported: {many} {'product' if many == 1 else 'products'} changed."


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


def _back(page: PageContext) -> AnyResponse:
    return redirect(f"{page.shop_root}/settings/products", 303)


def _count(name: str) -> int:
    return _number(request.form.get(name, ""))
