"""Privacy requests of the store's customers, and their receipts."""

from __future__ import annotations

from flask import Blueprint, Response, abort, flash, redirect, request
from werkzeug.wrappers import Response as AnyResponse

from widget.actions.privacy.answer_privacy import copy_of
from widget.actions.privacy.carry_out_requests import NotWaiting, cancel_privacy_request, carry_out_now
from widget.domain.orders.order import CUSTOMER_REDACT, DATA_REQUEST, SHOP_REDACT, UNINSTALL
from widget.domain.roles import MANAGE
from widget.storage.privacy import privacy_requests_of
from widget.web.console.guard import me, permitted
from widget.web.console.page_context import render_page, shop_page
from widget.web.requests import current_services

blueprint = Blueprint("privacy_page", __name__, url_prefix="/shops/<shop>/settings/privacy")
KINDS = {
    DATA_REQUEST: ("Copy of a customer's data", "search"),
    CUSTOMER_REDACT: ("Delete a customer's data", "shield"),
    SHOP_REDACT: ("Delete the data of all customers", "shield"),
    UNINSTALL: ("App uninstalled: delete its API key", "shield"),
}


@blueprint.get("")
@permitted(MANAGE)
def listing(shop: str) -> str:
    """List the privacy requests, the newest first."""
    page, services = shop_page(shop), current_services()
    with services.reads() as session:
        rows = privacy_requests_of(session, page.shop.id)
    return render_page(
        "console/settings/privacy.html",
        page,
        title="Settings",
        lead="Privacy requests that customers made through the store, and their status.",
        section="settings",
        rows=rows,
        kinds=KINDS,
        now=services.now(),
    )


@blueprint.post("/<int:number>")
@permitted(MANAGE)
def transition(shop: str, number: int) -> AnyResponse:
    """Cancel a waiting request, or carry it out immediately."""
    page, services, do = shop_page(shop), current_services(), request.form.get("do", "")
    back = redirect(f"{page.shop_root}/settings/privacy", 303)
    try:
        if do == "cancel":
            cancel_privacy_request(services, shop_id=page.shop.id, number=number, by=me())
            flash("Canceled. Nothing was deleted.", "good")
        elif do == "now" and request.form.get("sure") == "yes":
            carry_out_now(services, shop_id=page.shop.id, number=number, by=me())
            flash("Request completed.", "good")
        else:
            flash("Select the checkbox to confirm. This cannot be undone.", "bad")
    except NotWaiting as error:
        flash(str(error), "bad")
    return back


@blueprint.get("/<int:number>.json")
@permitted(MANAGE)
def copy(shop: str, number: int) -> Response:
    """Download the copy for a data request, which the shop hands over to the customer."""
    page = shop_page(shop)
    found = copy_of(current_services(), page.shop.id, number, by=me())
    if found is None:
        abort(404)
    headers = {"Content-Disposition": f"attachment; filename=data-request-{number}.json"}
    return Response(found, mimetype="application/json", headers=headers)
