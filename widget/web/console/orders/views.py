"""Orders with their emails, and webhook deliveries. Addresses are masked."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flask import Blueprint, abort, flash, redirect, request
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.emails.send_again import NotAgain, send_again
from widget.actions.webhooks.replay_webhook import NoReplay, replay_webhook
from widget.domain.email.sequence import DELIVERY_UNKNOWN
from widget.domain.roles import MONEY
from widget.i18n.money import money_text
from widget.storage.emails import Email, email_by_id, emails_of_orders, emails_of_unknown_delivery, trigger_of
from widget.storage.orders import Order, orders_of
from widget.storage.webhook_deliveries import (
    DELIVERY_DONE,
    DELIVERY_FAILED,
    DELIVERY_IGNORED,
    DELIVERY_WAITING,
    WebhookDelivery,
    count_failed,
    delivery_by_id,
    webhook_deliveries_of,
)
from widget.web.console.guard import me, permitted
from widget.web.console.labels import STATES, masked
from widget.web.console.orders.deliverability import refusals_shown
from widget.web.console.orders.delivery import shown_body
from widget.web.console.page_context import render_page, shop_page
from widget.web.numbers import whole_number
from widget.web.requests import current_services

blueprint = Blueprint("orders", __name__, url_prefix="/shops/<shop>/orders")
A_PAGE = 20
EVENTS = (
    ("refunded_at", "refunded", "minus", "warn"),
    ("cancelled_at", "canceled", "x", "warn"),
    ("delivered_at", "delivered", "ok", "good"),
    ("fulfilled_at", "fulfilled", "orders", ""),
    ("paid_at", "paid", "ok", ""),
    ("placed_at", "placed", "clock", ""),
)
"""(column, label, icon, class): the first one that happened is the state of the order."""
DELIVERY_STATES = {
    DELIVERY_WAITING: ("waiting", "clock", ""),
    DELIVERY_DONE: ("processed", "ok", "good"),
    DELIVERY_FAILED: ("failed", "error", "bad"),
    DELIVERY_IGNORED: ("ignored", "minus", ""),
}


@blueprint.get("")
@permitted(MONEY)
def listing(shop: str) -> str:
    """List the newest orders, each with the emails planned or sent for it."""
    page = shop_page(shop)
    number = request.args.get("number", "").strip().lstrip("#")[:80]
    before = _number("before")
    with current_services().reads() as session:
        rows = orders_of(session, page.shop.id, number=number, before=before, limit=A_PAGE + 1)
        emails = emails_of_orders(session, [row.id for row in rows])
        failed = count_failed(session, page.shop.id)
        unsure = emails_of_unknown_delivery(session, page.shop.id)
    return render_page(
        "console/orders/orders.html",
        page,
        title="Orders",
        lead="Orders received from the store, with the emails planned or sent for each.",
        section="orders",
        orders=[_shown(row, emails[row.id]) for row in rows[:A_PAGE]],
        older=rows[A_PAGE - 1].id if len(rows) > A_PAGE else None,
        later=before is not None,
        number=number,
        failed=failed,
        unsure=unsure,
        states=STATES,
        refusals=[] if number or before else refusals_shown(page.shop.id),
    )


def _number(name: str) -> int | None:
    given = request.args.get(name, "")
    return whole_number(given)


def _shown(order: Order, emails: list[Email]) -> dict[str, Any]:
    word, sign, look, at = _state(order)
    money = money_text(order.total, order.currency, "en") if order.total is not None and order.currency else ""
    return {"order": order, "word": word, "icon": sign, "look": look, "at": at, "money": money, "emails": emails}


def _state(order: Order) -> tuple[str, str, str, datetime]:
    for column, word, sign, look in EVENTS:
        moment = getattr(order, column)
        if moment:
            return word, sign, look, moment
    return "updated", "clock", "", order.updated_at


@blueprint.get("/emails/<int:email>")
@permitted(MONEY)
def email_history(shop: str, email: int) -> str:
    """Show the history of one email: every decision with its reason."""
    page = shop_page(shop)
    with current_services().reads() as session:
        row = _email(session, page.shop.id, email)
        contact, order = trigger_of(session, row)
    steps = [{**step, "at": datetime.fromisoformat(step["at"])} for step in row.history]
    return render_page(
        "console/orders/email.html",
        page,
        title=f"Email “{row.template}”",
        lead=f"For order {order.number or order.external_id}" if order else "Requested with a quiz result",
        section="orders",
        email=row,
        to=masked(contact.email) if contact.email else "deleted address",
        order=order,
        steps=steps,
        states=STATES,
        again=row.state == DELIVERY_UNKNOWN,
    )


def _email(session: Session, shop_id: int, email: int) -> Email:
    row = email_by_id(session, shop_id, email)
    if row is None:
        abort(404)
    return row


@blueprint.post("/emails/<int:email>/again")
@permitted(MONEY)
def email_again(shop: str, email: int) -> AnyResponse:
    """Resend an email whose delivery is unknown."""
    page = shop_page(shop)
    with current_services().reads() as session:
        _email(session, page.shop.id, email)
    try:
        send_again(current_services(), email, shop_id=page.shop.id, by=me())
        flash("The email will be resent within seconds, after the usual checks.", "good")
    except NotAgain as error:
        flash(f"{str(error)[:1].upper()}{str(error)[1:]}.", "bad")
    return redirect(f"{page.shop_root}/orders/emails/{email}", 303)


# Deliveries ------------------------------------------------------------------------------------------


@blueprint.get("/deliveries")
@permitted(MONEY)
def deliveries(shop: str) -> str:
    """List the latest webhook deliveries of the store, each with its outcome."""
    page = shop_page(shop)
    state = request.args.get("state", "")
    state, before = state if state in DELIVERY_STATES else "", _number("before")
    with current_services().reads() as session:
        rows = webhook_deliveries_of(session, page.shop.id, state=state, before=before, limit=A_PAGE + 1)
        failed = count_failed(session, page.shop.id)
    return render_page(
        "console/orders/deliveries.html",
        page,
        title="Webhook deliveries",
        lead="Webhooks received from the store in the last 30 days.",
        section="orders",
        rows=rows[:A_PAGE],
        older=rows[A_PAGE - 1].id if len(rows) > A_PAGE else None,
        later=before is not None,
        state=state,
        states=DELIVERY_STATES,
        failed=failed,
        address=f"{current_services().settings.public_url}/webhooks/{page.shop.slug}/orders",
    )


def _delivery_of(shop_id: int, delivery_id: int) -> WebhookDelivery:
    """Return a delivery of this shop. Abort with 404 if it does not exist or belongs to another shop."""
    with current_services().reads() as session:
        row = delivery_by_id(session, shop_id, delivery_id)
    if row is None:
        abort(404)
    return row


@blueprint.get("/deliveries/<int:delivery>")
@permitted(MONEY)
def delivery(shop: str, delivery: int) -> str:
    """Show one delivery: why it failed, and its body without personal data."""
    page = shop_page(shop)
    row = _delivery_of(page.shop.id, delivery)
    return render_page(
        "console/orders/delivery.html",
        page,
        title=f"Webhook delivery {delivery}",
        section="orders",
        row=row,
        body=shown_body(row.body),
        states=DELIVERY_STATES,
        again=row.state == DELIVERY_FAILED,
    )


@blueprint.post("/deliveries/<int:delivery>/replay")
@permitted(MONEY)
def replay(shop: str, delivery: int) -> AnyResponse:
    """Set a failed delivery back to waiting, so that it is processed again."""
    page = shop_page(shop)
    _delivery_of(page.shop.id, delivery)
    try:
        fresh = replay_webhook(current_services(), delivery, shop_id=page.shop.id, by=me())
        flash(
            "The delivery will be processed again within seconds." if fresh else "The delivery is already waiting.",
            "good",
        )
    except NoReplay as error:
        flash(f"{str(error)[:1].upper()}{str(error)[1:]}.", "bad")
    return redirect(f"{page.shop_root}/orders/deliveries/{delivery}", 303)
