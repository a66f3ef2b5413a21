"""A small storefront: product pages with the quiz, a cart, and a checkout that sends a signed webhook."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from email.utils import parseaddr
from importlib.resources import files
from typing import Any

from flask import Blueprint, Response, abort, redirect, render_template, request, session
from werkzeug.wrappers import Response as AnyResponse

from widget.demo.demo_order import OrderNotTaken, demo_product_page, place_demo_order
from widget.domain.catalog.product import Product
from widget.i18n.money import money_text
from widget.web.locale import interface_locale
from widget.web.numbers import whole_number
from widget.web.requests import PAGE_POLICY, current_services

blueprint = Blueprint("demo", __name__, template_folder="templates")
SHOP, QUIZ = "demo", "leg-day"
MAX_QUANTITY = 20
PICTURE_TYPES = {"svg": "image/svg+xml", "png": "image/png"}
_PICTURES = files("widget.demo.web") / "pictures"


@dataclass(frozen=True, slots=True)
class CartLine:
    product: Product
    quantity: int

    @property
    def total(self) -> int:
        return (self.product.price or 0) * self.quantity


@blueprint.app_template_filter("money")
def money(amount: int, currency: str = "USD") -> str:
    return money_text(amount, currency, "en")


@blueprint.get("/demo/")
def catalog() -> str:
    return render_template("shelf.html", products=_products().values(), **_frame())


@blueprint.get("/")
def front() -> AnyResponse:
    return redirect("/demo/", 302)


@blueprint.get("/demo/products/<sku>")
def product(sku: str) -> Response:
    shown = _products().get(sku.upper())
    if shown is None:
        abort(404)
    variants = [item for item in _products().values() if item.product_id and item.product_id == shown.product_id]
    page = render_template("product.html", product=shown, variants=variants, quiz=QUIZ, shop=SHOP, **_frame())
    return Response(page, mimetype="text/html", headers={"Content-Security-Policy": PAGE_POLICY})


@blueprint.get("/demo/pictures/<name>")
def picture(name: str) -> Response:
    ending = name.rpartition(".")[2]
    path = _PICTURES / name
    if ending not in PICTURE_TYPES or "/" in name or not path.is_file():
        abort(404)
    headers = {"Cache-Control": "public, max-age=3600", "Cross-Origin-Resource-Policy": "cross-origin"}
    return Response(path.read_bytes(), mimetype=PICTURE_TYPES[ending], headers=headers)


@blueprint.get("/demo/cart")
def cart() -> str:
    return render_template("cart.html", lines=_lines(), error="", **_frame())


@blueprint.post("/demo/cart")
def add() -> AnyResponse:
    """Add a product to the cart, or set its quantity (0 removes it)."""
    sku = request.form.get("sku", "")
    quantity = request.form.get("quantity", "1")
    if sku not in _products() or not (quantity.isascii() and quantity.isdigit() and len(quantity) < 4):
        abort(422)
    held: dict[str, int] = dict(session.get("cart", {}))
    held[sku] = int(quantity) if "set" in request.form else held.get(sku, 0) + int(quantity)
    session["cart"] = {item: min(number, MAX_QUANTITY) for item, number in held.items() if number > 0}
    if request.form.get("visit"):
        session["visit"] = request.form["visit"][:64]
    if request.form.get("quiet"):
        return Response(str(_count()), mimetype="text/plain")
    return redirect("/demo/cart", 303)


@blueprint.post("/demo/checkout")
def checkout() -> AnyResponse:
    """Place the order as a signed webhook delivery, then redirect to the thank-you page."""
    lines = _lines()
    email = request.form.get("email", "").strip()[:254]
    if not lines or "@" not in parseaddr(email)[1]:
        error = "Please enter an email address." if lines else "Your cart is empty."
        return Response(
            render_template("cart.html", lines=lines, error=error, **_frame()),
            status=422,
            mimetype="text/html",
        )
    services = current_services()
    number = str(1000 + secrets.randbelow(9000))
    try:
        place_demo_order(
            services,
            shop=SHOP,
            number=number,
            email=email,
            lines=[(line.product, line.quantity) for line in lines],
            accepts_marketing=request.form.get("tips") == "yes",
            visit=session.get("visit", ""),
            locale=interface_locale(),
        )
    except OrderNotTaken as error:
        page = render_template("cart.html", lines=lines, error=str(error), **_frame())
        return Response(page, status=503, mimetype="text/html")
    session.clear()
    return redirect(f"/demo/thanks?order={number}", 303)


@blueprint.get("/demo/thanks")
def thanks() -> str:
    number = request.args.get("order", "")
    return render_template("thanks.html", number=number if whole_number(number) is not None else "", **_frame())


def _products() -> dict[str, Product]:
    return demo_product_page(current_services(), SHOP, QUIZ)


def _lines() -> list[CartLine]:
    products = _products()
    held: dict[str, int] = session.get("cart", {})
    return [CartLine(products[sku], number) for sku, number in held.items() if sku in products]


def _count() -> int:
    return sum(session.get("cart", {}).values())


def _frame() -> dict[str, Any]:
    return {"count": _count(), "title": "Stride & Salve"}
