"""Simulation of the emails that the draft's sequences send for an order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, request

from widget.actions.content.try_draft import DraftUnreadable, sample_answers, tried_draft
from widget.actions.emails.simulate_emails import simulate_emails
from widget.domain.email.sequence import EXPIRED, SENDING, SKIPPED
from widget.domain.email.simulation import NOT_YET, Simulated
from widget.domain.orders.order import OrderEvent, OrderLine
from widget.domain.roles import VIEW
from widget.web.console.guard import permitted
from widget.web.console.labels import OUTCOMES
from widget.web.console.page_context import PageContext, quiz_page, render_page
from widget.web.requests import current_services

blueprint = Blueprint("simulation_page", __name__, url_prefix="/shops/<shop>/quizzes/<quiz>")
MAX_DAYS = 120
VERDICTS = {
    SENDING: ("will be sent", "ok", "good"),
    SKIPPED: ("not sent", "minus", "warn"),
    EXPIRED: ("expires before sending", "clock", "warn"),
    NOT_YET: ("waiting for an order event", "clock", "soft"),
}


@blueprint.get("/emails/when")
@permitted(VIEW)
def show(shop: str, quiz: str) -> str:
    """Show when each email would be sent, or why it would not, for an order placed now."""
    page = quiz_page(shop, quiz)
    asked = _asked(page)
    found, message = [], ""
    try:
        found = _simulated(page, asked)
    except DraftUnreadable as error:
        message = str(error)
    return render_page(
        "console/emails/simulation.html",
        page,
        title="Simulate emails",
        lead="Emails the draft would send for an order placed now. Nothing is sent.",
        section="emails",
        asked=asked,
        found=found,
        message=message,
        verdicts=VERDICTS,
        outcomes=OUTCOMES,
        products={record["sku"]: record.get("name") or record["sku"] for record in page.records("product").values()},
    )


def _asked(page: PageContext) -> dict[str, Any]:
    args = request.args
    products = list(page.records("product"))
    sku = args.get("sku", "")
    return {
        "sku": sku if sku in products else (products[0] if products else ""),
        "quantity": min(99, max(1, _number("quantity", 1))),
        "delivered": min(MAX_DAYS, _number("delivered", 3)) if args.get("delivered", "3") != "" else None,
        "refunded": min(MAX_DAYS, _number("refunded", 0)) if args.get("refunded") else None,
        "outcome": args.get("outcome", ""),
        "marketing": "submitted" not in args or args.get("marketing") == "yes",
        "health_data": args.get("health_data") == "yes",
    }


def _number(name: str, default: int) -> int:
    given = request.args.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 5 else default


def _simulated(page: PageContext, asked: dict[str, Any]) -> list[Simulated]:
    services, now = current_services(), datetime.now(UTC).replace(microsecond=0)
    loaded = tried_draft(services, page.shop, page.draft)
    moments = {"placed": now, "paid": now}
    if asked["delivered"] is not None:
        moments["fulfilled"] = now + timedelta(days=max(0, asked["delivered"] - 2))
        moments["delivered"] = now + timedelta(days=asked["delivered"])
    if asked["refunded"] is not None:
        moments["refunded"] = now + timedelta(days=asked["refunded"])
    line = OrderLine(line_id="1", sku=asked["sku"], quantity=asked["quantity"])
    order = OrderEvent(at=now, external_id="1", moments=moments, lines=(line,))
    return simulate_emails(
        loaded.engine,
        order,
        now,
        answers=sample_answers(loaded).get(asked["outcome"]) if asked["outcome"] else None,
        health_data=asked["health_data"],
        marketing=asked["marketing"],
        zone=page.shop.timezone,
        quiet=(page.shop.quiet_from, page.shop.quiet_to),
    )
